#include "libs/net/url.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <optional>
#include <sys/un.h>

#include "core/text.h"

namespace oa::net {
namespace {

constexpr std::string_view kUnix = "http+unix";
constexpr std::size_t kLongestTarget = 8192;
constexpr std::size_t kLongestName = 253;
constexpr std::size_t kLongestUnixPath = sizeof(sockaddr_un::sun_path) - 1;

// The URL may hold anything at all, secrets in its query too: what is quoted of it is printable and
// ends before the query.
Error bad_url(std::string_view url, const std::string& must) {
  std::string shown = shorten(url.substr(0, url.find_first_of("?#")), 64);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return make_error(Code::kInvalidRequest, "the URL \"" + shown + "\" must " + must);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

int own_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return host.find('\0') == std::string::npos && ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= kLongestName && host.front() != '.' &&
         host.find("..") == std::string_view::npos &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_';
         });
}

bool is_unix_path(std::string_view path) {
  return path.size() > 1 && path.front() == '/' && path.size() <= kLongestUnixPath &&
         std::all_of(path.begin(), path.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned byte = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (failed != std::errc() || digits.size() != 2 || end != digits.data() + 2) {
      return std::nullopt;
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_name(std::string(1, c)) || c == '.' || (c >= 'A' && c <= 'Z')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte / 16];
    out += kDigits[byte % 16];
  }
  return out;
}

// Splits "host:port" or "[address]:port"; false if the port is not a number from 1 to 65535.
bool split_port(std::string_view authority, Url& url) {
  const std::size_t after_host = authority.front() == '[' ? authority.find(']') : 0;
  const std::size_t colon =
      after_host == std::string_view::npos ? after_host : authority.find(':', after_host);
  url.host = lower(authority.substr(0, colon));
  if (colon == std::string_view::npos) {
    url.port = own_port(url.scheme);
    return true;
  }
  const std::string_view port = authority.substr(colon + 1);
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  return failed == std::errc() && end == port.data() + port.size() && port.size() <= 5;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const std::size_t colon = text.find("://");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (colon == std::string_view::npos ||
      (url.scheme != "http" && url.scheme != "https" && url.scheme != kUnix)) {
    return bad_url(text, "begin with http://, https:// or http+unix://");
  }
  const std::string_view rest = text.substr(colon + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  const std::string_view target = rest.substr(end);
  if (authority.empty()) return bad_url(text, "name a host");
  if (authority.find('@') != std::string_view::npos) {
    return bad_url(url.scheme + "://", "not hold a user or password (send them as a header)");
  }
  if (target.find('#') != std::string_view::npos) return bad_url(text, "not have a fragment");
  url.target = (target.empty() || target.front() == '?' ? "/" : "") + std::string(target);
  if (url.scheme == kUnix) {
    std::optional<std::string> path = percent_decoded(authority);
    if (!path) return bad_url(text, "have two hex digits after every %");
    url.host = *std::move(path);
  } else {
    if (!split_port(authority, url)) return bad_url(text, "have a port from 1 to 65535");
    if (url.host.starts_with('[')) {
      if (!url.host.ends_with(']')) return bad_url(text, "close the bracket of its IPv6 address");
      url.host = url.host.substr(1, url.host.size() - 2);
      if (!is_ipv6(url.host)) return bad_url(text, "have an IPv6 address in brackets");
    }
  }
  if (const Result<void> fine = check_url(url); !fine) return fine.error();
  return url;
}

Result<void> check_url(const Url& url) {
  const std::string shown = url.scheme + "://" + url.host;
  if (url.scheme == kUnix) {
    if (!is_unix_path(url.host) || url.port != 0) {
      return bad_url(shown, "have the absolute path of a socket, percent-encoded, of at most " +
                                std::to_string(kLongestUnixPath) + " bytes, as its host");
    }
  } else if (url.scheme == "http" || url.scheme == "https") {
    if (!is_name(url.host) && !is_ipv6(url.host)) {
      return bad_url(shown,
                     "have a host of letters, digits, \"-\", \"_\" and \".\", or an address");
    }
    if (url.port < 1 || url.port > 65535) return bad_url(shown, "have a port from 1 to 65535");
  } else {
    return bad_url(shown, "begin with http://, https:// or http+unix://");
  }
  const bool printable = std::all_of(url.target.begin(), url.target.end(),
                                     [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!printable || url.target.empty() || url.target.front() != '/') {
    return bad_url(shown,
                   "have a path that begins with / and holds only printable ASCII "
                   "(percent-encode the rest)");
  }
  if (url.target.size() > kLongestTarget) {
    return bad_url(shown,
                   "have a path and query of at most " + std::to_string(kLongestTarget) + " bytes");
  }
  return {};
}

std::string to_string(const Url& url) {
  if (url.scheme == kUnix) return url.scheme + "://" + percent_encoded(url.host) + url.target;
  return url.scheme + "://" + host_header(url) + url.target;
}

std::string host_header(const Url& url) {
  if (url.scheme == kUnix) return "localhost";
  const bool brackets = url.host.find(':') != std::string::npos;
  std::string out = brackets ? "[" + url.host + "]" : url.host;
  if (url.port != own_port(url.scheme)) out += ":" + std::to_string(url.port);
  return out;
}

}  // namespace oa::net
