#include "libs/net/message.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::net {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

TEST(Headers, compare_names_without_regard_to_case) {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}};
  EXPECT_EQ(headers.find("content-TYPE"), "a");
  EXPECT_EQ(headers.find("content-typ"), std::nullopt);
  EXPECT_EQ(headers.get("y", "none"), "none");
  EXPECT_TRUE(same_name("ETag", "etag"));
  EXPECT_FALSE(same_name("[", "{"));  // apart by the bit that tells cases apart
}

TEST(Headers, keep_every_field_in_order_and_find_the_first) {
  Headers headers;
  headers.add("A", "1");
  headers.add("a", "2");
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_THAT(headers.fields(), ElementsAre(Pair("A", "1"), Pair("a", "2")));
}

TEST(Headers, set_replaces_all_of_a_name) {
  Headers headers{{"A", "1"}, {"B", "2"}, {"a", "3"}};
  headers.set("a", "4");
  headers.set("C", "5");
  EXPECT_THAT(headers.fields(), ElementsAre(Pair("A", "4"), Pair("B", "2"), Pair("C", "5")));
}

struct PathCase {
  std::string target;
  std::vector<std::string> segments;
};

TEST(Target, is_taken_apart_and_then_decoded) {
  const std::vector<PathCase> cases{
      {"/", {}},
      {"/run", {"run"}},
      {"/run/", {"run"}},
      {"/kv/a%20b", {"kv", "a b"}},
      {"/kv/a%2Fb", {"kv", "a/b"}},
      {"/kv/a+b", {"kv", "a+b"}},
      {"/kv/%C3%a5", {"kv", "\xc3\xa5"}},
      {"/kv/\xc3\xa5", {"kv", "\xc3\xa5"}},
      {"/kv/...", {"kv", "..."}},
      {"/kv/a%3Fb%23?x", {"kv", "a?b#"}},
      {"/kv/%25%2e%2e", {"kv", "%.."}},
  };
  for (const PathCase& c : cases) {
    const Result<Target> target = parse_target(c.target);
    ASSERT_TRUE(target.ok()) << c.target;
    EXPECT_EQ(target->segments, c.segments) << c.target;
  }
}

TEST(Target, keeps_the_query_in_order) {
  const Result<Target> target = parse_target("/kv?prefix=a%2Fb+c&limit=10&&flag&x=1=2&limit=20&=v");
  ASSERT_TRUE(target.ok());
  EXPECT_THAT(target->segments, ElementsAre("kv"));
  EXPECT_THAT(target->query,
              ElementsAre(Pair("prefix", "a/b c"), Pair("limit", "10"), Pair("flag", ""),
                          Pair("x", "1=2"), Pair("limit", "20"), Pair("", "v")));
  EXPECT_EQ(target->query_value("limit"), "10");
  EXPECT_EQ(target->query_value("flag"), "");
  EXPECT_EQ(target->query_value("none"), std::nullopt);
}

TEST(Target, without_a_query_has_none) {
  EXPECT_TRUE(parse_target("/kv?")->query.empty());
  EXPECT_TRUE(parse_target("/kv")->query.empty());
}

TEST(Target, is_refused_with_what_it_must_be) {
  const std::string_view nul("/a\0b", 4);
  const std::vector<std::pair<std::string_view, std::string>> cases{
      {"", "start with /"},
      {"run", "start with /"},
      {"*", "start with /"},
      {"http://host/run", "start with /"},
      {"/a b", "not hold spaces"},
      {"/a#b", "not hold spaces"},
      {"/a\x7f", "not hold spaces"},
      {nul, "not hold spaces"},
      {"/a%", "two hex digits"},
      {"/a%2", "two hex digits"},
      {"/a%2g", "two hex digits"},
      {"/a?b=%zz", "two hex digits"},
      {"/a?%zz=b", "two hex digits"},
      {"/a%00b", "NUL"},
      {"/a?b=%00", "NUL"},
      {"/%ff", "UTF-8"},
      {"/\xff", "UTF-8"},
      {"/%C3", "UTF-8"},
      {"/?a=%ED%A0%80", "UTF-8"},
      {"//", "segment"},
      {"//run", "segment"},
      {"/a//b", "segment"},
      {"/a//", "segment"},
      {"/./a", "segment"},
      {"/a/..", "segment"},
      {"/%2e%2E/a", "segment"},
      {"/%2e", "segment"},
  };
  for (const auto& [text, must] : cases) {
    const Result<Target> target = parse_target(text);
    ASSERT_FALSE(target.ok()) << text;
    EXPECT_EQ(target.error().code, Code::kInvalidRequest) << text;
    EXPECT_THAT(target.error().detail, HasSubstr(must)) << text;
  }
}

TEST(MediaType, is_lower_case_without_parameters) {
  EXPECT_EQ(media_type("application/json; charset=utf-8"), "application/json");
  EXPECT_EQ(media_type(" Text/HTML ;q=1"), "text/html");
  EXPECT_EQ(media_type("text/plain"), "text/plain");
  EXPECT_EQ(media_type(""), "");
  EXPECT_EQ(media_type(" ; x"), "");
}

TEST(JsonResponse, names_its_type) {
  const Response response = json_response(202, "{}");
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.headers.get("content-type"), "application/json");
  EXPECT_EQ(response.body, "{}");
}

TEST(ProblemResponse, says_everything_about_an_error) {
  Error error = make_error(Code::kLimitExceeded, "StorageLimit", "2 bytes is over 1");
  error.fields.push_back({"spec.storage.size", "1x", "be a quantity such as 10Gi"});
  const Response response = problem_response(error, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(response.status, 507);
  EXPECT_EQ(response.headers.get("content-type"), "application/problem+json");
  EXPECT_EQ(response.headers.find("retry-after"), std::nullopt);
  EXPECT_EQ(response.body,
            R"({"type":"https://openagents.com/problems/limit-exceeded","title":"Limit exceeded",)"
            R"("status":507,"code":"LIMIT_EXCEEDED","reason":"StorageLimit",)"
            R"("detail":"2 bytes is over 1","retryable":false,)"
            R"("errors":[{"path":"spec.storage.size","value":"1x",)"
            R"("must":"be a quantity such as 10Gi"}],)"
            R"("traceId":"0af7651916cd43dd8448eb211c80319c"})");
}

TEST(ProblemResponse, leaves_out_what_there_is_not) {
  EXPECT_EQ(problem_response(make_error(Code::kNotFound, "no agent x")).body,
            R"({"type":"https://openagents.com/problems/not-found","title":"Not found",)"
            R"("status":404,"code":"NOT_FOUND","detail":"no agent x","retryable":false})");
}

TEST(ProblemResponse, tells_when_to_try_again) {
  EXPECT_EQ(problem_response(make_error(Code::kUnavailable, "x")).headers.get("retry-after"), "1");
  EXPECT_EQ(problem_response(make_error(Code::kRateLimited, "x")).headers.get("retry-after"), "1");
}

TEST(ProblemResponse, takes_details_that_are_not_utf8) {
  EXPECT_THAT(problem_response(make_error(Code::kInvalidRequest, "bad \xff")).body,
              HasSubstr("bad \xef\xbf\xbd"));
}

TEST(TraceId, is_read_from_a_valid_traceparent) {
  const std::string id = "0af7651916cd43dd8448eb211c80319c";
  EXPECT_EQ(trace_id_of("00-" + id + "-b7ad6b7169203331-01"), id);
  EXPECT_EQ(trace_id_of("cc-" + id + "-b7ad6b7169203331-00"), id);
  EXPECT_EQ(trace_id_of("cc-" + id + "-b7ad6b7169203331-00-what-the-future-brings"), id);
}

TEST(TraceId, is_nothing_when_malformed_or_zero) {
  const std::vector<std::string> cases{
      "",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
      "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
      "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  };
  for (const std::string& text : cases) EXPECT_EQ(trace_id_of(text), std::nullopt) << text;
}

}  // namespace
}  // namespace oa::net
