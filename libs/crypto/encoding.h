// Bytes as text (RFC 4648). Decoding is strict: one text for one sequence of bytes, but for the
// case of hex digits.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace oa::crypto {

// Lower case.
std::string hex_encode(std::string_view bytes);
// INVALID_REQUEST: "must be hex".
Result<std::string> hex_decode(std::string_view text);

// The standard alphabet with padding.
std::string base64_encode(std::string_view bytes);
// No white space, all of the padding, no stray bits. INVALID_REQUEST: "must be base64".
Result<std::string> base64_decode(std::string_view text);

// The alphabet for URLs and file names, without padding, as in JSON Web Tokens.
std::string base64url_encode(std::string_view bytes);
// No padding, no stray bits. INVALID_REQUEST: "must be base64url".
Result<std::string> base64url_decode(std::string_view text);

}  // namespace oa::crypto
