#include "core/error.h"

#include <gtest/gtest.h>

#include "core/result.h"

namespace oa {
namespace {

TEST(Error, has_one_status_per_code_and_protocol) {
  struct Row {
    Code code;
    const char* name;
    int http;
    int grpc;
    bool retryable;
  };
  const Row rows[] = {
      {Code::kUnauthenticated, "UNAUTHENTICATED", 401, 16, false},
      {Code::kUnauthorized, "UNAUTHORIZED", 403, 7, false},
      {Code::kNotFound, "NOT_FOUND", 404, 5, false},
      {Code::kInvalidRequest, "INVALID_REQUEST", 400, 3, false},
      {Code::kConflict, "CONFLICT", 409, 9, false},
      {Code::kLimitExceeded, "LIMIT_EXCEEDED", 402, 8, false},
      {Code::kRateLimited, "RATE_LIMITED", 429, 8, true},
      {Code::kDeploymentFailed, "DEPLOYMENT_FAILED", 502, 9, false},
      {Code::kRuntimeError, "RUNTIME_ERROR", 502, 10, false},
      {Code::kTimeout, "TIMEOUT", 504, 4, true},
      {Code::kUnavailable, "UNAVAILABLE", 503, 14, true},
      {Code::kInternal, "INTERNAL", 500, 13, false},
  };
  for (const Row& row : rows) {
    const Error error = make_error(row.code, "detail");
    EXPECT_EQ(code_name(row.code), row.name);
    EXPECT_EQ(http_status(error), row.http) << row.name;
    EXPECT_EQ(grpc_status(error), row.grpc) << row.name;
    EXPECT_EQ(error.retryable, row.retryable) << row.name;
  }
}

TEST(Error, takes_its_http_status_from_a_reason_that_has_one) {
  EXPECT_EQ(http_status(make_error(Code::kInvalidRequest, "PayloadTooLarge", "")), 413);
  EXPECT_EQ(http_status(make_error(Code::kInvalidRequest, "HeadersTooLarge", "")), 431);
  EXPECT_EQ(http_status(make_error(Code::kConflict, "PreconditionFailed", "")), 412);
  EXPECT_EQ(http_status(make_error(Code::kLimitExceeded, "StorageLimit", "")), 507);
  EXPECT_EQ(http_status(make_error(Code::kConflict, "Suspended", "")), 409);
}

TEST(Error, made_of_fields_names_path_value_and_rule) {
  const Error error = invalid_fields(
      {{"spec.storage.size", "\"1x\"", "be a quantity such as 10Gi"}, {"kind", "", "be set"}});
  EXPECT_EQ(error.detail,
            "spec.storage.size is \"1x\" but must be a quantity such as 10Gi; kind must be set");
  EXPECT_EQ(error.code, Code::kInvalidRequest);
}

TEST(Result, aborts_when_the_wrong_side_is_read) {
  const Result<int> good = 3;
  const Result<int> bad = make_error(Code::kNotFound, "x");
  EXPECT_EQ(*good, 3);
  EXPECT_DEATH((void)*bad, "");
  EXPECT_DEATH((void)good.error(), "");
}

}  // namespace
}  // namespace oa
