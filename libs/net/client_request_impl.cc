#include "libs/net/client_request_impl.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "libs/obs/build_info.h"

namespace oa::net {
namespace {

// Headers of the connection or the framing, which are the client's business.
constexpr std::array<std::string_view, 10> kClients{
    "connection", "content-length", "expect",  "keep-alive",        "proxy-connection",
    "te",         "trailer",        "upgrade", "transfer-encoding", "http2-settings"};

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
  });
}

std::string quoted(std::string_view text) {
  std::string shown = shorten(text, 64);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return "\"" + shown + "\"";
}

Error refused(const std::string& what) { return make_error(Code::kInvalidRequest, what); }

Result<void> check_header(const Headers::Field& field) {
  const auto& [name, value] = field;
  if (!is_token(name)) return refused("the header name " + quoted(name) + " must be a token");
  if (!is_field_value(value)) {  // not quoted: it may be a secret
    return refused("the value of the header " + quoted(name) +
                   " must hold no line ends or other control characters");
  }
  for (const std::string_view own : kClients) {
    if (same_name(name, own)) {
      return refused("the header " + quoted(name) + " must be left to the client");
    }
  }
  return {};
}

bool wants_length(const ClientRequest& request) {
  return !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
         request.method == "PATCH";
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

Result<void> check_request(const ClientRequest& request) {
  if (!is_token(request.method) || request.method == "CONNECT") {
    return refused("the method " + quoted(request.method) + " must be a token and not CONNECT");
  }
  if (const Result<void> fine = check_url(request.url); !fine) return fine;
  int hosts = 0;
  for (const Headers::Field& field : request.headers.fields()) {
    if (const Result<void> fine = check_header(field); !fine) return fine;
    if (same_name(field.first, "host")) ++hosts;
  }
  if (hosts > 1) return refused("the request must have at most one Host header");
  if (request.timeout.count() <= 0 || request.connect_timeout.count() <= 0) {
    return refused("the timeouts of a request must be above 0 ms");
  }
  return {};
}

std::string request_head(const ClientRequest& request) {
  std::string out = request.method + " " + request.url.target + " HTTP/1.1\r\n";
  if (!request.headers.find("host")) append_field(out, "Host", host_header(request.url));
  if (!request.headers.find("user-agent")) {
    append_field(out, "User-Agent", std::string("openagents/") + obs::kBuildInfo.version);
  }
  for (const auto& [name, value] : request.headers.fields()) append_field(out, name, value);
  if (wants_length(request)) {
    append_field(out, "Content-Length", std::to_string(request.body.size()));
  }
  return out += "\r\n";
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

}  // namespace oa::net
