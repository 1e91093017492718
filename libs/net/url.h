// The URLs that the product calls, taken apart.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace oa::net {

struct Url {
  std::string scheme = "http";  // "http", "https", or "http+unix": HTTP over a Unix socket
  // A name in lower case or an address, an IPv6 address without its brackets; the path of the
  // socket for http+unix.
  std::string host;
  int port = 0;              // 1 to 65535; 0 for http+unix
  std::string target = "/";  // path and query as they go on the wire: "/a%20b?x=1"

  bool operator==(const Url&) const = default;
};

// "https://[::1]:8443/a?b", "http://my-agent.default.svc", "http+unix://%2Frun%2Fagent.sock/run".
// Refuses (INVALID_REQUEST) other schemes, user info, fragments, and bytes that must be
// percent-encoded.
Result<Url> parse_url(std::string_view text);

// Refuses (INVALID_REQUEST) what `parse_url` would never return.
Result<void> check_url(const Url& url);

// The text that `parse_url` reads as `url`; the scheme's own port is left out.
std::string to_string(const Url& url);

// What the URL's authority is on the wire: "[::1]:8443", "example.com", "localhost" for http+unix.
std::string host_header(const Url& url);

}  // namespace oa::net
