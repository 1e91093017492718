#include "libs/kube/api_error.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace oa::kube {
namespace {

std::string status_body(int code, const std::string& reason, const std::string& message) {
  return nlohmann::json{
      {"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", message}}
      .dump();
}

TEST(DecodeError, gives_each_status_its_code_and_reason) {
  const struct {
    int status;
    const char* reason;
    Code code;
    const char* expected_reason;
    bool retryable;
  } rows[] = {
      {400, "BadRequest", Code::kInvalidRequest, "BadRequest", false},
      {401, "Unauthorized", Code::kUnauthenticated, "Unauthorized", false},
      {403, "Forbidden", Code::kUnauthorized, "Forbidden", false},
      {404, "NotFound", Code::kNotFound, "NotFound", false},
      {405, "", Code::kInvalidRequest, "MethodNotAllowed", false},
      {409, "AlreadyExists", Code::kConflict, "AlreadyExists", false},
      {409, "Conflict", Code::kConflict, "Conflict", false},
      {410, "Expired", Code::kConflict, "Expired", false},
      {410, "Gone", Code::kConflict, "Expired", false},
      {413, "RequestEntityTooLarge", Code::kInvalidRequest, "RequestEntityTooLarge", false},
      {422, "Invalid", Code::kInvalidRequest, "Invalid", false},
      {429, "TooManyRequests", Code::kRateLimited, "TooManyRequests", true},
      {500, "InternalError", Code::kUnavailable, "InternalError", true},
      {503, "ServiceUnavailable", Code::kUnavailable, "ServiceUnavailable", true},
      {504, "Timeout", Code::kTimeout, "Timeout", true},
  };
  for (const auto& row : rows) {
    const Error error =
        decode_error(row.status, status_body(row.status, row.reason, "why"), "GET", "/x");
    EXPECT_EQ(error.code, row.code) << row.status;
    EXPECT_EQ(error.reason, row.expected_reason) << row.status;
    EXPECT_EQ(error.detail, "GET /x: why") << row.status;
    EXPECT_EQ(error.retryable, row.retryable) << row.status;
  }
}

TEST(DecodeError, sees_a_version_from_the_future_by_its_cause) {
  const Error error = decode_error(
      504,
      R"({"kind": "Status", "code": 504, "reason": "Timeout", "message": "Too large resource version",
      "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}})",
      "GET", "/x");
  EXPECT_EQ(error.reason, reason::kVersionTooLarge);
}

TEST(DecodeError, cuts_what_a_proxy_says_instead) {
  const Error error = decode_error(502, "<html>" + std::string(100'000, 'x'), "GET", "/x");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_TRUE(error.detail.starts_with("GET /x: the API server answered 502: <html>xxx"));
  EXPECT_LT(error.detail.size(), 1200U);
}

TEST(DecodeStatus, takes_what_is_no_status_for_a_server_error) {
  EXPECT_EQ(decode_status(nlohmann::json("x")).code, Code::kUnavailable);
  EXPECT_EQ(decode_status(nlohmann::json{{"code", "410"}}).code, Code::kUnavailable);
  EXPECT_EQ(decode_status(nlohmann::json{{"code", 410}, {"message", "too old"}}).reason,
            reason::kExpired);
}

TEST(RetryAfter, is_a_number_of_seconds_or_nothing) {
  EXPECT_EQ(retry_after({{"retry-after", "7"}}), std::chrono::seconds(7));
  EXPECT_EQ(retry_after({{"Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"}}), Duration::zero());
  EXPECT_EQ(retry_after({{"Retry-After", "-1"}}), Duration::zero());
  EXPECT_EQ(retry_after({}), Duration::zero());
}

}  // namespace
}  // namespace oa::kube
