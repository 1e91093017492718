#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/response_head_impl.h"

namespace oa::net {
namespace {

constexpr std::string_view kDate = "Sat, 21 Nov 2026 08:00:00 GMT";

std::string head(const Response& response, bool keep_alive = true, bool http_1_0 = false,
                 const Headers& always = {}) {
  std::string out;
  append_head(out, response, {keep_alive, http_1_0, kDate, always});
  return out;
}

TEST(ResponseHead, frames_the_answer) {
  EXPECT_EQ(head(json_response(200, "{}")),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            "Date: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Length: 2\r\n\r\n");
}

TEST(ResponseHead, says_whether_the_connection_stays_where_that_is_not_understood) {
  EXPECT_THAT(head({}, false), testing::HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_THAT(head({}, true, true), testing::HasSubstr("\r\nConnection: keep-alive\r\n"));
  EXPECT_THAT(head({}, true), testing::Not(testing::HasSubstr("Connection")));
}

TEST(ResponseHead, has_no_length_where_there_can_be_no_body) {
  EXPECT_THAT(head({.status = 204}), testing::Not(testing::HasSubstr("Content-Length")));
  EXPECT_THAT(head({.status = 304}), testing::Not(testing::HasSubstr("Content-Length")));
  EXPECT_THAT(head({.status = 200}), testing::HasSubstr("Content-Length: 0\r\n"));
  EXPECT_FALSE(has_body(204));
  EXPECT_TRUE(has_body(200));
}

TEST(ResponseHead, has_no_length_where_the_body_is_not_known_yet) {
  std::string chunked;
  append_head(chunked, {}, {true, false, kDate, {}, Framing::kChunked});
  EXPECT_THAT(chunked, testing::EndsWith("\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_THAT(chunked, testing::Not(testing::HasSubstr("Content-Length")));
  std::string until_close;
  append_head(until_close, {}, {false, true, kDate, {}, Framing::kClose});
  EXPECT_THAT(until_close, testing::EndsWith("GMT\r\nConnection: close\r\n\r\n"));
}

TEST(ResponseHead, keeps_the_framing_to_itself) {
  const Response response{200,
                          {{"content-length", "99"},
                           {"Transfer-Encoding", "chunked"},
                           {"CONNECTION", "upgrade"},
                           {"Date", "never"}},
                          "x"};
  EXPECT_EQ(head(response),
            "HTTP/1.1 200 OK\r\nDate: " + std::string(kDate) + "\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseHead, puts_the_servers_own_fields_on_every_answer) {
  const Headers always{{"Agent-Uid", "u1"}, {"Agent-Epoch", "7"}};
  const Response response{200, {{"agent-epoch", "forged"}, {"X", "1"}}, ""};
  EXPECT_THAT(
      head(response, true, false, always),
      testing::StartsWith("HTTP/1.1 200 OK\r\nX: 1\r\nAgent-Uid: u1\r\nAgent-Epoch: 7\r\n"));
}

TEST(ResponseHead, cannot_be_split_by_a_value) {
  const Response response{
      200,
      {{"Location", "/a\r\nSet-Cookie: b"}, {"Bad Name", "x"}, {"Bad\r\n", "x"}, {"", "x"}},
      ""};
  EXPECT_THAT(head(response),
              testing::StartsWith("HTTP/1.1 200 OK\r\nLocation: /a  Set-Cookie: b\r\n"
                                  "Date: "));
}

TEST(ResponseHead, has_a_reason_for_known_statuses_only) {
  EXPECT_THAT(head({.status = 431}),
              testing::StartsWith("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
  EXPECT_THAT(head({.status = 599}), testing::StartsWith("HTTP/1.1 599 "));
}

TEST(HttpDate, is_in_the_fixed_form) {
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(1'795'248'000), "Sat, 21 Nov 2026 08:00:00 GMT");
}

}  // namespace
}  // namespace oa::net
