// What the API server's refusals mean, as core/error.h values.
//
// 400, 405, 406, 413, 415 and 422 are INVALID_REQUEST, 401 UNAUTHENTICATED, 403 UNAUTHORIZED, 404
// NOT_FOUND, 409 CONFLICT, 410 CONFLICT (reason Expired), 408 and 504 TIMEOUT, 429 RATE_LIMITED,
// other 5xx UNAVAILABLE. The reason is that of the server's Status (AlreadyExists, Conflict,
// Invalid, ...), or its cause ResourceVersionTooLarge; the detail its message, cut to 1 KiB.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "libs/kube/transport.h"

namespace oa::kube {

// Values of Error::reason that callers ask for.
namespace reason {
inline constexpr std::string_view kExpired = "Expired";
inline constexpr std::string_view kAlreadyExists = "AlreadyExists";
inline constexpr std::string_view kVersionTooLarge = "ResourceVersionTooLarge";
// Of Transport.
inline constexpr std::string_view kConnectionRefused = "ConnectionRefused";
inline constexpr std::string_view kConnectionLost = "ConnectionLost";
inline constexpr std::string_view kTlsFailure = "TlsFailure";
inline constexpr std::string_view kIdleTimeout = "IdleTimeout";
inline constexpr std::string_view kCancelled = "Cancelled";
}  // namespace reason

Error cancelled();

// An answer of status >= 400 to a request of this method and path.
Error decode_error(int status, std::string_view body, std::string_view method,
                   std::string_view path);

// A Status object, as an ERROR event of a watch carries it.
Error decode_status(const nlohmann::json& status);

// Retry-After of an answer; zero when absent or not a number of seconds.
Duration retry_after(const Headers& headers);

}  // namespace oa::kube
