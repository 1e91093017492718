// What goes wrong, as a value: one set of codes for every protocol the product speaks.
//
// Errors that a caller can expect (bad input, a missing object, a full disk) are returned as
// `Error` inside a `Result` (core/result.h). Messages name the thing, its value, and what must
// hold.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oa {

// The closed list of error codes that users meet. The order is the order of the table in error.cc.
enum class Code {
  kUnauthenticated,
  kUnauthorized,
  kNotFound,
  kInvalidRequest,
  kConflict,
  kLimitExceeded,
  kRateLimited,
  kDeploymentFailed,
  kRuntimeError,
  kTimeout,
  kUnavailable,
  kInternal,
};

// One wrong field of an input: `spec.storage.size`, `1x`, `be a quantity such as 10Gi`.
struct FieldError {
  std::string path;   // dotted path from the root of the document; list items as `items[2]`
  std::string value;  // the offending value as text, cut to 64 characters
  std::string must;   // completes the sentence "must ..."

  bool operator==(const FieldError&) const = default;
};

struct Error {
  Code code = Code::kInternal;
  std::string
      reason;  // CamelCase refinement of the code, empty if there is none; see `http_status`
  std::string detail;  // a sentence for people
  bool retryable = false;
  std::vector<FieldError> fields;  // set for input that is wrong field by field

  bool operator==(const Error&) const = default;
};

// Makes an error whose `retryable` follows from the code: RATE_LIMITED, TIMEOUT and UNAVAILABLE
// are.
Error make_error(Code code, std::string detail);
Error make_error(Code code, std::string reason, std::string detail);

// An INVALID_REQUEST whose detail is made of its fields: "spec.x is \"1x\" but must be ...; ...".
Error invalid_fields(std::vector<FieldError> fields);

// `NOT_FOUND` and so on; the wire name of a code.
std::string_view code_name(Code code);

// The HTTP status of an error: that of its code, unless its reason has one of its own
// (PayloadTooLarge is 413, PreconditionFailed is 412, ...). The one table for this mapping is in
// error.cc.
int http_status(const Error& error);

// The gRPC status number of an error (google.rpc.Code).
int grpc_status(const Error& error);

// The WebSocket close code of an error (RFC 6455 section 7.4): 1008, 1009, 1011, 1013 or 4000 +
// HTTP status.
int websocket_close_code(const Error& error);

// "NOT_FOUND: agent default/x does not exist": for logs and command lines.
std::string to_string(const Error& error);

}  // namespace oa
