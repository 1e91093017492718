// A client's side of WebSockets for tests: frames made by hand, right or wrong, and the server's
// frames taken apart.
//
// Thread-safety: none; one client per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/support/http_client.h"

namespace oa::test {

// A masked frame in the shortest length form; `first` is its first byte (FIN, reserved bits,
// opcode).
inline std::string client_frame(std::uint8_t first, std::string_view payload) {
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  std::string frame(1, static_cast<char>(first));
  const std::size_t size = payload.size();
  const int length_bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
  frame.push_back(static_cast<char>(0x80 | (length_bytes == 0   ? size
                                            : length_bytes == 2 ? 126
                                                                : 127)));
  for (int i = length_bytes; i-- > 0;) frame.push_back(static_cast<char>(size >> (8 * i) & 0xff));
  frame.append(kMask);
  for (std::size_t i = 0; i < size; ++i) {
    frame.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  }
  return frame;
}

inline std::string client_close(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return client_frame(0x88, payload.append(reason));
}

struct ServerFrame {
  int first = -1;  // -1: the connection ended or nothing came
  std::string payload;

  bool operator==(const ServerFrame&) const = default;
};

inline ServerFrame close_frame(std::uint16_t code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return {0x88, payload.append(reason)};
}

class WebSocketClient {
 public:
  // Sends the handshake and, right behind it, `early`.
  explicit WebSocketClient(int port, std::string_view early = {}) : http_(port) {
    http_.send(std::string("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                           "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                   .append(early));
    std::size_t end = std::string::npos;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos && fill()) {
    }
    head_ = buffer_.substr(0, end);
    buffer_.erase(0, end == std::string::npos ? end : end + 4);
  }

  const std::string& head() const { return head_; }
  bool send(std::string_view bytes) { return http_.send(bytes); }
  bool send_text(std::string_view text) { return send(client_frame(0x81, text)); }

  ServerFrame read() {
    while (true) {
      if (auto frame = take()) return *std::move(frame);
      if (!fill()) return {};
    }
  }
  HttpClient& http() { return http_; }

 private:
  bool fill() {
    const std::string more = http_.read_some();
    buffer_ += more;
    return !more.empty();
  }

  std::optional<ServerFrame> take() {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(buffer_[i]); };
    if (buffer_.size() < 2) return std::nullopt;
    std::size_t size = byte(1);
    const std::size_t length_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (buffer_.size() < 2 + length_bytes) return std::nullopt;
    if (length_bytes > 0) size = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) size = size << 8 | byte(2 + i);
    if (buffer_.size() < 2 + length_bytes + size) return std::nullopt;
    ServerFrame frame{byte(0), buffer_.substr(2 + length_bytes, size)};
    buffer_.erase(0, 2 + length_bytes + size);
    return frame;
  }

  HttpClient http_;
  std::string buffer_;
  std::string head_;
};

}  // namespace oa::test
