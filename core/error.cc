#include "core/error.h"

#include <algorithm>
#include <array>
#include <utility>

namespace oa {
namespace {

struct CodeRow {
  Code code;
  std::string_view name;
  int http;
  int grpc;
  int websocket;
  bool retryable;
};

// gRPC numbers: google/rpc/code.proto. WebSocket: 1008 policy violation, 1011 internal, 1013 try
// again later; 4000 to 4999 is free for applications (RFC 6455 section 7.4.2).
constexpr std::array<CodeRow, 12> kCodes{{
    {Code::kUnauthenticated, "UNAUTHENTICATED", 401, 16, 4401, false},
    {Code::kUnauthorized, "UNAUTHORIZED", 403, 7, 1008, false},
    {Code::kNotFound, "NOT_FOUND", 404, 5, 4404, false},
    {Code::kInvalidRequest, "INVALID_REQUEST", 400, 3, 4400, false},
    {Code::kConflict, "CONFLICT", 409, 9, 4409, false},
    {Code::kLimitExceeded, "LIMIT_EXCEEDED", 402, 8, 4402, false},
    {Code::kRateLimited, "RATE_LIMITED", 429, 8, 1013, true},
    {Code::kDeploymentFailed, "DEPLOYMENT_FAILED", 502, 9, 4502, false},
    {Code::kRuntimeError, "RUNTIME_ERROR", 502, 10, 4502, false},
    {Code::kTimeout, "TIMEOUT", 504, 4, 4504, true},
    {Code::kUnavailable, "UNAVAILABLE", 503, 14, 1013, true},
    {Code::kInternal, "INTERNAL", 500, 13, 1011, false},
}};

struct ReasonRow {
  std::string_view reason;
  int http;
};

// Reasons that have an HTTP status of their own. Every other reason has that of its code.
constexpr std::array<ReasonRow, 9> kReasons{{
    {"PayloadTooLarge", 413},
    {"UnsupportedMediaType", 415},
    {"HeadersTooLarge", 431},
    {"MethodNotAllowed", 405},
    {"RequestTimeout", 408},
    {"UpgradeRequired", 426},
    {"PreconditionFailed", 412},
    {"StorageLimit", 507},
    {"StorageFull", 507},
}};

const CodeRow& row(Code code) {
  return *std::find_if(kCodes.begin(), kCodes.end(),
                       [&](const CodeRow& r) { return r.code == code; });
}

}  // namespace

Error make_error(Code code, std::string detail) { return make_error(code, {}, std::move(detail)); }

Error make_error(Code code, std::string reason, std::string detail) {
  return Error{code, std::move(reason), std::move(detail), row(code).retryable, {}};
}

Error invalid_fields(std::vector<FieldError> fields) {
  std::string detail;
  for (const FieldError& f : fields) {
    if (!detail.empty()) detail += "; ";
    detail += f.path + (f.value.empty() ? "" : " is " + f.value + " but") + " must " + f.must;
  }
  Error error = make_error(Code::kInvalidRequest, std::move(detail));
  error.fields = std::move(fields);
  return error;
}

std::string_view code_name(Code code) { return row(code).name; }

int http_status(const Error& error) {
  for (const ReasonRow& r : kReasons) {
    if (r.reason == error.reason) return r.http;
  }
  return row(error.code).http;
}

int grpc_status(const Error& error) { return row(error.code).grpc; }

int websocket_close_code(const Error& error) {
  return error.reason == "PayloadTooLarge" ? 1009 : row(error.code).websocket;
}

std::string to_string(const Error& error) {
  std::string text(code_name(error.code));
  if (!error.reason.empty()) text += " (" + error.reason + ")";
  return text + ": " + error.detail;
}

}  // namespace oa
