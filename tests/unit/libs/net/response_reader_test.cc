#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "libs/net/response_reader_impl.h"

namespace oa::net {
namespace {

using Asked = ResponseReader::Asked;
using Outcome = ResponseReader::Outcome;

struct Read {
  Outcome outcome = Outcome::kNeedMore;
  int status = 0;
  std::string body;
  std::string rest;
  bool keep_alive = false;
  bool ends_here = false;
  Error refusal;
  Headers headers;
};

// Reads `bytes` in packets of `packet` bytes.
Read read(std::string_view bytes, std::size_t packet, Asked asked = Asked::kWhole,
          std::size_t limit = 1000) {
  ResponseReader reader(asked, limit);
  Read read;
  std::string held;
  for (std::size_t at = 0; at < bytes.size() && read.outcome == Outcome::kNeedMore; at += packet) {
    held += bytes.substr(at, packet);
    std::string_view input = held;
    do {
      read.outcome = reader.feed(input);
      if (read.outcome == Outcome::kHead) read.status = reader.status();
      if (read.outcome == Outcome::kBody) read.body += reader.piece();
    } while (read.outcome == Outcome::kHead || read.outcome == Outcome::kBody);
    held = std::string(input);
    read.rest = held + std::string(bytes.substr(std::min(bytes.size(), at + packet)));
  }
  read.keep_alive = reader.keep_alive();
  read.ends_here = reader.ends_here();
  read.headers = reader.response().headers;
  if (read.outcome == Outcome::kRefused) read.refusal = reader.refusal();
  return read;
}

// The same however the bytes are cut.
Read read_cut(std::string_view bytes, Asked asked = Asked::kWhole, std::size_t limit = 1000) {
  const Read whole = read(bytes, bytes.size(), asked, limit);
  for (std::size_t packet = 1; packet < bytes.size(); ++packet) {
    const Read cut = read(bytes, packet, asked, limit);
    EXPECT_EQ(cut.outcome, whole.outcome) << packet;
    EXPECT_EQ(cut.status, whole.status) << packet;
    if (whole.outcome != Outcome::kRefused) {
      EXPECT_EQ(cut.body, whole.body) << packet;
    }
    EXPECT_EQ(cut.refusal.reason, whole.refusal.reason) << packet;
  }
  return whole;
}

TEST(ResponseReader, reads_a_body_of_known_length) {
  const Read got = read_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhellorest");
  EXPECT_EQ(got.outcome, Outcome::kComplete);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.rest, "rest");
  EXPECT_EQ(got.headers.get("x"), "y");
  EXPECT_TRUE(got.keep_alive);
}

TEST(ResponseReader, reads_chunks_with_extensions_and_drops_trailers) {
  const Read got = read_cut(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\nA;name=\"v\"\r\n0123456789\r\n1 ; x\r\nz\r\n000\r\nT: 1\r\nU: 2\r\n\r\n");
  EXPECT_EQ(got.outcome, Outcome::kComplete);
  EXPECT_EQ(got.body, "abc0123456789z");
  EXPECT_EQ(got.rest, "");
  EXPECT_FALSE(got.headers.find("T"));
  EXPECT_TRUE(got.keep_alive);
}

TEST(ResponseReader, hands_out_the_data_of_a_chunk_before_its_end_has_come) {
  ResponseReader reader(Asked::kWhole, 1000);
  std::string_view input = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab";
  EXPECT_EQ(reader.feed(input), Outcome::kHead);
  EXPECT_EQ(reader.feed(input), Outcome::kBody);
  EXPECT_EQ(reader.piece(), "ab");
  EXPECT_EQ(reader.feed(input), Outcome::kNeedMore);
}

TEST(ResponseReader, reads_until_the_end_of_the_connection_when_no_length_is_told) {
  for (const char* head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\nX: y\r\n\r\n"}) {
    const Read got = read_cut(head + std::string("hello"));
    EXPECT_EQ(got.outcome, Outcome::kNeedMore);
    EXPECT_EQ(got.body, "hello");
    EXPECT_TRUE(got.ends_here);
    EXPECT_FALSE(got.keep_alive);
  }
  EXPECT_FALSE(read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 100).ends_here);
}

TEST(ResponseReader, passes_over_interim_answers) {
  const Read got = read_cut(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
      "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(got.outcome, Outcome::kComplete);
  EXPECT_EQ(got.status, 201);
  EXPECT_FALSE(got.headers.find("link"));
}

TEST(ResponseReader, knows_answers_without_a_body) {
  for (const char* head :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    EXPECT_EQ(read_cut(head).outcome, Outcome::kComplete) << head;
  }
  for (const char* head : {"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                           "HTTP/1.1 404 Not Found\r\n\r\n"}) {
    EXPECT_EQ(read_cut(head, Asked::kHeadOnly).outcome, Outcome::kComplete) << head;
  }
}

TEST(ResponseReader, knows_whether_the_connection_stays) {
  const auto stays = [](const std::string& head) {
    return read(head + "Content-Length: 0\r\n\r\n", 1000).keep_alive;
  };
  EXPECT_TRUE(stays("HTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(stays("HTTP/1.1 200 OK\r\nConnection: Close\r\n"));
  EXPECT_FALSE(stays("HTTP/1.0 200 OK\r\n"));
  EXPECT_TRUE(stays("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"));
}

TEST(ResponseReader, refuses_what_is_not_http) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& bytes : {
           std::string("SSH-2.0-OpenSSH_9.2\r\n"),
           std::string("\x15\x03\x03", 3),
           std::string("HTTP/2 200\r\n\r\n"),
           std::string("HTTP/1.1 abc OK\r\n\r\n"),
           std::string("HTTP/1.1 099 Low\r\n\r\n"),
           std::string("HTTP/1.1 600 High\r\n\r\n"),
           std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n"),
           std::string(
               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
           std::string("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
           chunked + "x\r\n",
           chunked + "-1\r\n",
           chunked + "\r\n",
           chunked + "1y\r\na\r\n",
           chunked + "1\na\r\n",
           chunked + "1\rx\r\n",
           chunked + "1\r\nabc",
           chunked + "fffffffffffffffff\r\n",
           chunked + "0000000000000001\r\n",
       }) {
    const Read got = read_cut(bytes);
    ASSERT_EQ(got.outcome, Outcome::kRefused) << bytes;
    EXPECT_EQ(got.refusal.code, Code::kRuntimeError) << bytes;
    EXPECT_EQ(got.refusal.reason, "MalformedAnswer") << bytes;
  }
}

TEST(ResponseReader, refuses_what_is_too_large) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string interim;
  while (interim.size() < 70'000) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  std::string trailers;
  while (trailers.size() < 70'000) trailers += "Some-Name: some value\r\n";
  for (const std::string& bytes :
       {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x'), interim, chunked + "0\r\n" + trailers,
        chunked + "1;" + std::string(70'000, 'x'),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"),
        "HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x'), chunked + "3e9\r\n",
        chunked + "1\r\na\r\n3e8\r\n"}) {
    for (const std::size_t packet : {bytes.size(), std::size_t{1000}}) {
      const Read got = read(bytes, packet);
      ASSERT_EQ(got.outcome, Outcome::kRefused) << bytes.substr(0, 100);
      EXPECT_EQ(got.refusal.code, Code::kLimitExceeded) << bytes.substr(0, 100);
      EXPECT_EQ(got.refusal.reason, "AnswerTooLarge") << bytes.substr(0, 100);
    }
  }
  EXPECT_EQ(
      read("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'), 100).outcome,
      Outcome::kComplete);
}

}  // namespace
}  // namespace oa::net
