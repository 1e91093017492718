// Pieces of paths as they are written.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace oa::runtime {

// One segment: what is not unreserved (RFC 3986 section 2.3) is percent-encoded.
std::string path_segment(std::string_view text);

}  // namespace oa::runtime
