#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/request_reader_impl.h"

namespace oa::net {
namespace {

using Outcome = RequestReader::Outcome;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::size_t kHeaderBytes = 512;
constexpr std::size_t kBodyBytes = 64;

struct Reading {
  Outcome outcome = Outcome::kNeedMore;
  Request request;
  bool keep_alive = false;
  Error refusal;
  std::string rest;  // what the reader left
};

// Feeds `bytes` in pieces of `piece` bytes as a connection does.
Reading read(std::string_view bytes, std::size_t piece) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  Reading reading;
  std::string unread;
  while (reading.outcome == Outcome::kNeedMore && !bytes.empty()) {
    unread += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    std::string_view input = unread;
    reading.outcome = reader.feed(input);
    unread = std::string(input);
  }
  reading.rest = unread + std::string(bytes);
  reading.request = reader.request();
  if (reading.outcome == Outcome::kComplete) reading.keep_alive = reader.keep_alive();
  if (reading.outcome == Outcome::kRefused) reading.refusal = reader.refusal();
  return reading;
}

Reading read(std::string_view bytes) { return read(bytes, std::max<std::size_t>(1, bytes.size())); }

TEST(RequestReader, reads_a_request) {
  const Reading r =
      read("POST /run?x=1 HTTP/1.1\r\nHost: a\r\nX-Y:  z \r\nContent-Length: 5\r\n\r\nhello");
  ASSERT_EQ(r.outcome, Outcome::kComplete);
  EXPECT_EQ(r.request.method, "POST");
  EXPECT_EQ(r.request.target, "/run?x=1");
  EXPECT_THAT(r.request.headers.fields(),
              ElementsAre(Pair("Host", "a"), Pair("X-Y", "z"), Pair("Content-Length", "5")));
  EXPECT_EQ(r.request.body, "hello");
  EXPECT_TRUE(r.keep_alive);
  EXPECT_EQ(r.rest, "");
}

TEST(RequestReader, leaves_the_next_request_alone) {
  const Reading r = read("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n");
  ASSERT_EQ(r.outcome, Outcome::kComplete);
  EXPECT_EQ(r.request.target, "/a");
  EXPECT_EQ(r.rest, "GET /b HTTP/1.1\r\n");
}

TEST(RequestReader, joins_chunks_and_drops_extensions_and_trailers) {
  const Reading r = read(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "4;x=y\r\nhell\r\n1\r\no\r\n0\r\nX-Trailer: 1\r\n\r\nrest");
  ASSERT_EQ(r.outcome, Outcome::kComplete);
  EXPECT_EQ(r.request.body, "hello");
  EXPECT_EQ(r.request.headers.find("x-trailer"), std::nullopt);
  EXPECT_EQ(r.rest, "rest");
}

TEST(RequestReader, reads_the_same_however_the_bytes_are_cut) {
  const std::vector<std::string> requests{
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest",
      "\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789rest",
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;a=\"b\"\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\nrest",
      "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nrest",
  };
  for (const std::string& text : requests) {
    const Reading whole = read(text);
    ASSERT_EQ(whole.outcome, Outcome::kComplete) << text;
    for (std::size_t piece = 1; piece < text.size(); ++piece) {
      const Reading cut = read(text, piece);
      ASSERT_EQ(cut.outcome, Outcome::kComplete) << text << " by " << piece;
      EXPECT_EQ(cut.request.target, whole.request.target);
      EXPECT_EQ(cut.request.headers.fields(), whole.request.headers.fields());
      EXPECT_EQ(cut.request.body, whole.request.body);
      EXPECT_EQ(cut.keep_alive, whole.keep_alive);
      EXPECT_EQ(cut.rest, "rest");
    }
  }
}

TEST(RequestReader, knows_whether_the_connection_stays) {
  EXPECT_TRUE(read("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
  EXPECT_FALSE(read("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(read("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_TRUE(read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(RequestReader, notes_who_waits_for_100_continue_once) {
  RequestReader reader(kHeaderBytes, kBodyBytes);
  std::string_view input =
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";
  EXPECT_EQ(reader.feed(input), Outcome::kNeedMore);
  EXPECT_TRUE(reader.has_headers());
  EXPECT_TRUE(reader.take_continue());
  EXPECT_FALSE(reader.take_continue());
}

TEST(RequestReader, refuses_what_is_not_a_request) {
  const std::vector<std::string> cases{
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  // a TLS client
      "GET\r\n\r\n",
      "GET /\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET / HTTX/1.1\r\nHost: a\r\n\r\n",
      "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nsp ace: 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nspace : 1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
  };
  for (const std::string& text : cases) {
    const Reading r = read(text);
    ASSERT_EQ(r.outcome, Outcome::kRefused) << text;
    EXPECT_EQ(http_status(r.refusal), 400) << text;
    EXPECT_EQ(r.refusal.reason, "MalformedRequest") << text;
  }
}

TEST(RequestReader, refuses_bodies_whose_end_two_readers_may_see_differently) {
  const std::vector<std::string> cases{
      "Content-Length: 1\r\nContent-Length: 2",
      "Content-Length: 1, 2",
      "Content-Length: -1",
      "Content-Length: +1",
      "Content-Length: 0x1",
      "Content-Length: 1 1",
      "Content-Length:",
      "Content-Length: 99999999999999999999999999",
      "Content-Length: 1\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: chunked\r\nContent-Length: 1",
      "Transfer-Encoding: gzip",
      "Transfer-Encoding: gzip, chunked",
      "Transfer-Encoding: chunked, gzip",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
      "Transfer-Encoding: chunked, chunked",
      "Transfer-Encoding: xchunked",
      "Transfer-Encoding:",
  };
  for (const std::string& headers : cases) {
    const Reading r =
        read("POST / HTTP/1.1\r\nHost: a\r\n" + headers + "\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    ASSERT_EQ(r.outcome, Outcome::kRefused) << headers;
    EXPECT_EQ(http_status(r.refusal), 400) << headers;
  }
  EXPECT_EQ(read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").outcome,
            Outcome::kRefused);
}

TEST(RequestReader, refuses_malformed_chunks) {
  for (const std::string body :
       {"x\r\nabc", "-1\r\nabc", "1 \r\nx", "1\r\nxy\r\n0\r\n\r\n", "1\r\nx0\r\n\r\n",
        "FFFFFFFFFFFFFFFFFF\r\n", "1;\x01\r\nx\r\n", "1\nx\r\n0\r\n\r\n"}) {
    const Reading r =
        read("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
    EXPECT_EQ(r.outcome, Outcome::kRefused) << body;
  }
}

std::string with_header_size(std::size_t size) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  return start + std::string(size - start.size() - 4, 'x') + "\r\n\r\n";
}

TEST(RequestReader, refuses_headers_over_the_limit) {
  for (std::size_t piece : {std::size_t{1}, std::size_t{100}, std::size_t{10'000}}) {
    EXPECT_EQ(read(with_header_size(kHeaderBytes), piece).outcome, Outcome::kComplete) << piece;
    const Reading over = read(with_header_size(kHeaderBytes + 1), piece);
    ASSERT_EQ(over.outcome, Outcome::kRefused) << piece;
    EXPECT_EQ(http_status(over.refusal), 431) << piece;
    EXPECT_THAT(over.refusal.detail, HasSubstr("at most 512 bytes"));
  }
}

TEST(RequestReader, counts_small_fields_that_come_one_by_one) {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 1000; ++i) text += "A:1\r\n";
  EXPECT_EQ(http_status(read(text, 5).refusal), 431);
}

TEST(RequestReader, refuses_bodies_over_the_limit_as_soon_as_it_knows) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(read(head + "Content-Length: 64\r\n\r\n" + std::string(64, 'x')).outcome,
            Outcome::kComplete);
  EXPECT_EQ(http_status(read(head + "Content-Length: 65\r\n\r\n").refusal), 413);
  EXPECT_EQ(http_status(read(head + "Content-Length: 18446744073709551615\r\n\r\n").refusal), 413);

  const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string full = "20\r\n" + std::string(32, 'x') + "\r\n20\r\n" + std::string(32, 'x');
  EXPECT_EQ(read(chunked + full + "\r\n0\r\n\r\n").outcome, Outcome::kComplete);
  EXPECT_EQ(http_status(read(chunked + full + "\r\n1\r\n").refusal), 413);
  EXPECT_EQ(http_status(read(chunked + "41\r\nx").refusal), 413);
}

TEST(RequestReader, refuses_endless_chunk_extensions_and_trailers) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(http_status(read(head + "1;" + std::string(2000, 'x'), 50).refusal), 431);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 1000; ++i) trailers += "A: 1\r\n";
  EXPECT_EQ(http_status(read(head + trailers, 50).refusal), 431);
}

TEST(RequestReader, takes_memory_for_what_came_not_for_what_was_announced) {
  RequestReader reader(kHeaderBytes, std::size_t{1} << 40);
  std::string_view input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\nx";
  EXPECT_EQ(reader.feed(input), Outcome::kNeedMore);
  EXPECT_LT(reader.request().body.capacity(), 100'000u);
}

// Bytes that are nearly requests: pieces of real ones, shuffled and damaged.
TEST(RequestReader, survives_anything) {
  const std::vector<std::string> pieces{"GET / HTTP/1.1\r\n",
                                        "POST /x HTTP/1.1\r\n",
                                        "Host: a\r\n",
                                        "\r\n",
                                        "\r",
                                        "\n",
                                        "Content-Length: 5\r\n",
                                        "Transfer-Encoding: chunked\r\n",
                                        "5\r\nhello\r\n",
                                        "0\r\n\r\n",
                                        "0\r\n",
                                        "A: b\r\n",
                                        ";x=y",
                                        "Expect: 100-continue\r\n",
                                        "Connection: close\r\n",
                                        " ",
                                        ":",
                                        "FFFFFFFF\r\n",
                                        "Trailer: x\r\n",
                                        "hello",
                                        std::string(40, 'x')};
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int complete = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    if (random() % 2 == 0)
      text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (auto n = random() % 12; n > 0; --n) text += pieces[random() % pieces.size()];
    if (!text.empty() && random() % 3 == 0)
      text[random() % text.size()] = static_cast<char>(random());
    const Reading r = read(text, 1 + random() % 40);
    complete += r.outcome == Outcome::kComplete;
    ASSERT_LE(r.request.body.size(), kBodyBytes) << text;
  }
  EXPECT_GT(complete, 100);
}

}  // namespace
}  // namespace oa::net
