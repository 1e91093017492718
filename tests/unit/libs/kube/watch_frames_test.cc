#include "libs/kube/watch_frames.h"

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::kube {
namespace {

using testing::ElementsAre;

// All documents after feeding `chunks` one by one; "error: ..." at the end if there was one.
std::vector<std::string> split(const std::vector<std::string>& chunks,
                               std::size_t limit = WatchFrames::kMaxDocument) {
  WatchFrames frames(limit);
  std::vector<std::string> documents;
  for (const std::string& chunk : chunks) {
    frames.feed(chunk);
    while (true) {
      const auto document = frames.next();
      if (!document) {
        documents.push_back("error: " + document.error().detail);
        return documents;
      }
      if (!*document) break;
      documents.emplace_back(**document);
    }
  }
  if (!frames.at_boundary()) documents.push_back("cut");
  return documents;
}

TEST(WatchFrames, finds_nothing_in_an_empty_stream) {
  EXPECT_THAT(split({}), ElementsAre());
  EXPECT_THAT(split({"", "\n", " \r\n"}), ElementsAre());
}

TEST(WatchFrames, joins_a_document_of_several_chunks) {
  EXPECT_THAT(split({R"({"a)", R"(":)", R"( [1,{}]})", "\n"}), ElementsAre(R"({"a": [1,{}]})"));
}

TEST(WatchFrames, parts_several_documents_of_one_chunk) {
  EXPECT_THAT(split({"{\"a\":1}\n{\"b\":2}\r\n{\"c\":3}{\"d\":4}"}),
              ElementsAre(R"({"a":1})", R"({"b":2})", R"({"c":3})", R"({"d":4})"));
}

TEST(WatchFrames, is_not_misled_by_braces_and_quotes_in_strings) {
  EXPECT_THAT(split({R"({"a":"}{\"]\\"})", R"({"b":"\\\"}"})"}),
              ElementsAre(R"({"a":"}{\"]\\"})", R"({"b":"\\\"}"})"));
}

TEST(WatchFrames, says_when_the_stream_ends_within_a_document) {
  EXPECT_THAT(split({"{\"a\":1}\n{\"b\":"}), ElementsAre(R"({"a":1})", "cut"));
}

TEST(WatchFrames, refuses_what_is_no_object) {
  EXPECT_THAT(split({"<html>"}), ElementsAre("error: a watch event must be a JSON object"));
  EXPECT_THAT(split({"{} ]"}), ElementsAre("{}", "error: a watch event must be a JSON object"));
}

TEST(WatchFrames, takes_a_line_of_megabytes_in_small_chunks) {
  const std::string document = "{\"a\":\"" + std::string(5 << 20, 'x') + "\"}";
  std::vector<std::string> chunks;
  for (std::size_t i = 0; i < document.size(); i += 4096)
    chunks.push_back(document.substr(i, 4096));
  const std::vector<std::string> documents = split(chunks);
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0], document);
}

TEST(WatchFrames, refuses_a_document_over_the_limit) {
  EXPECT_THAT(split({"{\"a\":\"", std::string(100, 'x')}, 64),
              ElementsAre("error: a watch event must be at most 64 bytes"));
}

TEST(WatchFrames, finds_the_same_documents_however_the_stream_is_chopped) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string stream = "{\"a\":{\"b\":[\"\\\"}\"]}}\r\n{}\n\n{\"c\":\"[{\"}{\"d\":[[],[{}]]}";
  const std::vector<std::string> expected = split({stream});
  ASSERT_EQ(expected.size(), 4U);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> chunks;
    for (std::size_t i = 0; i < stream.size();) {
      const std::size_t size = 1 + random() % 7;
      chunks.push_back(stream.substr(i, size));
      i += size;
    }
    ASSERT_EQ(split(chunks), expected);
  }
}

}  // namespace
}  // namespace oa::kube
