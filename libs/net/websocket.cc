#include "libs/net/websocket.h"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace oa::net {
namespace {

constexpr std::string_view kHandshakeGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeySize = 24;  // 16 bytes in base64

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The elements of a comma-separated list, also of one that is spread over several fields.
std::vector<std::string_view> list_of(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> elements;
  for (const auto& [field, value] : headers.fields()) {
    if (!same_name(field, name)) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (const auto element = trim(rest.substr(0, comma)); !element.empty()) {
        elements.push_back(element);
      }
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return elements;
}

bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  const auto elements = list_of(headers, name);
  return std::any_of(elements.begin(), elements.end(),
                     [&](std::string_view element) { return same_name(element, token); });
}

bool is_key(std::string_view key) {
  const auto is_base64 = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  };
  return key.size() == kKeySize && key.ends_with("==") &&
         std::all_of(key.begin(), key.end() - 2, is_base64);
}

Error upgrade_required(std::string detail) {
  return make_error(Code::kInvalidRequest, "UpgradeRequired", std::move(detail));
}

}  // namespace

Result<WebSocketOffer> require_websocket(const Request& request) {
  const Headers& headers = request.headers;
  if (!has_token(headers, "upgrade", "websocket") || !has_token(headers, "connection", "upgrade")) {
    return upgrade_required(
        "the request must be a WebSocket handshake: with \"Connection: Upgrade\" and "
        "\"Upgrade: websocket\"");
  }
  if (request.method != "GET") {
    return make_error(Code::kInvalidRequest, "MethodNotAllowed",
                      "a WebSocket handshake must be a GET, not " + request.method);
  }
  if (const auto version = headers.get("sec-websocket-version"); version != "13") {
    return upgrade_required("Sec-WebSocket-Version must be 13, not \"" + std::string(version) +
                            "\"");
  }
  if (!is_key(headers.get("sec-websocket-key"))) {
    return make_error(Code::kInvalidRequest, "MalformedRequest",
                      "Sec-WebSocket-Key must be 16 bytes in base64");
  }
  WebSocketOffer offer;
  for (const std::string_view protocol : list_of(headers, "sec-websocket-protocol")) {
    offer.protocols.emplace_back(protocol);
  }
  return offer;
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key).append(kHandshakeGuid);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  ::SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> encoded{};  // 20 bytes in base64, and a NUL
  const int size = ::EVP_EncodeBlock(encoded.data(), digest.data(), digest.size());
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size)};
}

}  // namespace oa::net
