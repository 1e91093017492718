// What a client's request must be, and its head on the wire.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "libs/net/http_client.h"

namespace oa::net {

// Refuses (INVALID_REQUEST) what would break the grammar, smuggle a line into it, or fight the
// client over the framing.
Result<void> check_request(const ClientRequest& request);

// Request line and headers with the final empty line, of a request that passes `check_request`.
std::string request_head(const ClientRequest& request);

// Whether sending it twice does what sending it once does (RFC 9110 section 9.2.2).
bool is_idempotent(std::string_view method);

}  // namespace oa::net
