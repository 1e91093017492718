#include "runtime-pod/http/host_check.h"

#include <algorithm>
#include <arpa/inet.h>

#include "core/text.h"

namespace oa::runtime {
namespace {

// "[::1]:8080" -> "::1", "localhost:8080" -> "localhost", in lower case.
std::string host_name(std::string_view authority) {
  std::string_view name = authority;
  if (name.starts_with('[')) {
    name = name.substr(1, std::min(name.find(']'), name.size()) - 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  std::string lower(name);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower.ends_with('.')) lower.pop_back();
  return lower;
}

bool is_localhost(const std::string& name) {
  return name == "localhost" || name.ends_with(".localhost");
}

bool is_ip(const std::string& name) {
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool is_loopback(const std::string& name) {
  in_addr address{};
  if (inet_pton(AF_INET, name.c_str(), &address) == 1) return name.starts_with("127.");
  return name == "::1";
}

bool is_allowed(const std::string& name, std::span<const std::string> allowed) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& one) { return host_name(one) == name; });
}

Error refused(std::string reason, std::string_view what, std::string_view value) {
  return make_error(Code::kUnauthorized, std::move(reason),
                    std::string(what) + " is \"" + shorten(value, 64) +
                        "\" but must be this machine's, or be named with --allow-host");
}

}  // namespace

Result<void> check_host(std::string_view host, std::string_view origin,
                        std::span<const std::string> allowed) {
  const std::string name = host_name(host);
  if (!is_ip(name) && !is_localhost(name) && !is_allowed(name, allowed)) {
    return refused("ForeignHost", "the header Host", host);
  }
  if (origin.empty()) return {};
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string_view::npos)
    return refused("ForeignOrigin", "the header Origin", origin);
  const std::string_view authority = origin.substr(scheme + 3);
  const std::string origin_name = host_name(authority);
  if (is_localhost(origin_name) || is_loopback(origin_name) || authority == host ||
      is_allowed(origin_name, allowed)) {
    return {};
  }
  return refused("ForeignOrigin", "the header Origin", origin);
}

}  // namespace oa::runtime
