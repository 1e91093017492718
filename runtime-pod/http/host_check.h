// Keeps web pages of other sites away from the daemon: against DNS rebinding (a foreign name that
// resolves to this machine) and cross-site requests.
//
// Thread-safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/result.h"

namespace oa::runtime {

// UNAUTHORIZED, reason ForeignHost or ForeignOrigin. A host is good if it is an IP address (which
// nobody can rebind), localhost or below it, or one of `allowed`; an origin if its host is a
// loopback address, localhost or below it, one of `allowed`, or the request's own host.
Result<void> check_host(std::string_view host, std::string_view origin,
                        std::span<const std::string> allowed);

}  // namespace oa::runtime
