// WebSockets (RFC 6455) on the HTTP server's port: a handler that gets an upgrade request answers
// it with Response::websocket, and the connection becomes a WebSocket.
//
//   Result<WebSocketOffer> offer = require_websocket(request);
//   if (!offer) return respond(problem_response(offer.error()));
//   Response response;
//   response.websocket = WebSocketAccept{"", [](std::shared_ptr<WebSocket> socket) { ... }};
//   respond(std::move(response));
//
// The server answers pings, sends its own to idle clients, joins fragments, checks masks and UTF-8,
// and does the closing handshake. Extensions are not offered.
//
// Thread-safety: as said at each part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "libs/net/message.h"

namespace oa::net {

// Close codes of RFC 6455 section 7.4.1.
namespace close_code {
constexpr std::uint16_t kNormal = 1000;
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kProtocolError = 1002;
constexpr std::uint16_t kNoCode = 1005;    // the client's close frame had none; never sent
constexpr std::uint16_t kAbnormal = 1006;  // the connection ended without a close frame; never sent
constexpr std::uint16_t kBadText = 1007;   // a text that is not UTF-8
constexpr std::uint16_t kPolicy = 1008;    // also: the client reads too slowly
constexpr std::uint16_t kTooBig = 1009;    // a message over ServerLimits::websocket_message_bytes
constexpr std::uint16_t kInternal = 1011;  // also: the server's side was dropped without `close`
constexpr std::uint16_t kTryLater = 1013;
}  // namespace close_code

// One open WebSocket. Destroying the last pointer to it closes it with 1011 unless it was closed.
//
// Thread-safety: all members can be called from any thread, never block, and can be called also
// after the client or the server has gone. The callbacks run on one of the server's I/O threads,
// one at a time and in order, and must neither block nor throw. A callback may hold the socket: it
// is dropped when the socket is over.
class WebSocket {
 public:
  virtual ~WebSocket() = default;

  // One message; a text must be UTF-8. False: the socket is closed or closing. So is one whose
  // client is too slow: when more than ServerLimits::stream_buffer_bytes would wait for it (a
  // message before which nothing waits is always taken), what waits is dropped and it is closed
  // with 1008.
  virtual bool send(std::string data, bool binary) = 0;

  // Begins the closing handshake, after what was sent before. The client has
  // ServerLimits::websocket_close_timeout to do its part. A code that may not be sent becomes 1011;
  // the reason is cut to 123 bytes.
  virtual void close(std::uint16_t code, std::string reason) = 0;

  // Bytes, with their framing, that the kernel has not taken yet.
  virtual std::size_t buffered() const = 0;

  // Gets every message. What comes before there is a callback waits for it, as if paused.
  virtual void on_message(std::function<void(std::string data, bool binary)> message) = 0;

  // Called once, after the last message, with the first close frame's code and reason, whoever sent
  // it: 1005 if it had none, 1006 if the connection ended without one. Also when the socket is over
  // already.
  virtual void on_closed(std::function<void(std::uint16_t code, std::string reason)> closed) = 0;

  // While paused, no message is given to `on_message`. The server goes on answering pings until
  // ServerLimits::websocket_message_bytes of messages wait, and then stops reading, which stops the
  // client in turn.
  virtual void pause_reading(bool paused) = 0;
};

// What a client asks for in its upgrade request.
struct WebSocketOffer {
  std::vector<std::string> protocols;  // in the client's order of preference
};

// Whether `request` is a WebSocket handshake: GET with `Connection: Upgrade`, `Upgrade: websocket`,
// `Sec-WebSocket-Version: 13` and a `Sec-WebSocket-Key` of 16 bytes in base64. INVALID_REQUEST if
// not, with the reason UpgradeRequired (426) where a handshake would have been right.
Result<WebSocketOffer> require_websocket(const Request& request);

// The value of Sec-WebSocket-Accept for a key.
std::string websocket_accept(std::string_view key);

}  // namespace oa::net
