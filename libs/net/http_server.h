// An HTTP/1.1 server for many connections on few threads. Boost.Beast stays behind this header.
//
// Requests of one connection are handled one at a time, in order. Answers get Content-Length, Date
// and Connection from the server; HEAD is answered as GET is by the handler, and sent without body.
// An answer's body can be streamed (libs/net/stream.h), and an answer can make the connection a
// WebSocket (libs/net/websocket.h).
//
// Lifetime: `start` binds and begins to serve; `drain` stops accepting, lets requests in flight
// finish until the deadline and then closes what is left; the destructor closes at once. A streamed
// answer is in flight until its end (BodyWriter::on_draining tells its writer to come to it);
// WebSockets are closed with 1001 as the drain begins, and are not in flight.
//
// Thread-safety: all members can be called from any thread, but `drain` and the destructor not from
// the handler. The handler runs on one of the server's I/O threads and must not block; the
// `Respond` it gets may be called once (twice is a bug and aborts), from any thread, also after the
// client or the server has gone. A `Respond` that is destroyed without having been called answers
// 500, and so does a handler that throws.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/result.h"
#include "libs/net/message.h"
#include "libs/obs/log.h"

namespace oa::net {

using Respond = std::function<void(Response)>;
using Handler = std::function<void(Request, Respond)>;

struct ServerLimits {
  std::size_t header_bytes = 16 * 1024;       // 431 above
  std::size_t body_bytes = 16 * 1024 * 1024;  // 413 above
  std::size_t connections = 1024;             // more are answered 503 and closed
  // From the first byte of a request to the end of its headers; 408 above.
  std::chrono::milliseconds header_timeout{10'000};
  // From the end of the headers to the end of the body; 408 above.
  std::chrono::milliseconds body_timeout{60'000};
  // Between requests of a connection, and before the first.
  std::chrono::milliseconds idle_timeout{75'000};
  // A client that reads no byte of its answer for this long is cut off.
  std::chrono::milliseconds write_timeout{30'000};
  // What may wait for a client that reads more slowly than a streamed answer or the messages of a
  // WebSocket are written; it is cut off above.
  std::size_t stream_buffer_bytes = 1024 * 1024;

  std::size_t websocket_message_bytes = 1024 * 1024;  // of one message; closed with 1009 above
  // A client that has sent nothing for this long is sent a ping, and cut off if it then sends
  // nothing for the time-out.
  std::chrono::milliseconds websocket_ping_interval{30'000};
  std::chrono::milliseconds websocket_ping_timeout{20'000};
  // From our close frame to the end of the connection.
  std::chrono::milliseconds websocket_close_timeout{5'000};
};

struct ServerStats {
  std::size_t connections = 0;  // open now
  std::size_t in_flight = 0;    // requests handed to the handler and not yet answered to the end
};

class HttpServer {
 public:
  struct Options {
    // "host:port", "[::1]:port", ":port" (all addresses) or "unix:PATH"
    std::string listen = "127.0.0.1:0";
    int threads = 1;
    ServerLimits limits;
    // Put on every answer, also on those that the server makes itself (400, 413, 431, ...).
    Headers extra_headers;
    // Where a handler that throws and a lack of descriptors are logged; nowhere if empty.
    std::optional<obs::Logger> logger;
  };

  // Fails with UNAVAILABLE (address in use, no permission) or INVALID_REQUEST (address does not
  // parse).
  static Result<std::unique_ptr<HttpServer>> start(Options options, Handler handler);

  virtual ~HttpServer() = default;

  // The bound port, also when 0 was asked for; 0 on a Unix socket.
  virtual int port() const = 0;
  virtual ServerStats stats() const = 0;

  // Stops accepting, closes idle connections, answers what is in flight with `Connection: close`.
  // True if every request that had been handed to the handler was answered before the deadline;
  // one that is still arriving is waited for as well, but not owed an answer.
  virtual bool drain(std::chrono::milliseconds deadline) = 0;
};

}  // namespace oa::net
