// An HTTP/1.1 server for many connections on few threads. Boost.Beast stays behind this header.
//
// Lifetime: `start` binds and begins to serve; `drain` stops accepting, lets requests in flight
// finish until the deadline and then closes what is left; the destructor closes at once.
//
// Thread-safety: all members can be called from any thread. The handler runs on one of the server's
// I/O threads and must not block; the `Respond` it gets may be called once, from any thread, also
// after the client has gone. A `Respond` that is destroyed without having been called answers 500.
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
  std::chrono::milliseconds header_timeout{
      10'000};  // from the first byte of a request to the end of its headers
  std::chrono::milliseconds body_timeout{
      60'000};  // from the end of the headers to the end of the body
  std::chrono::milliseconds idle_timeout{75'000};  // between requests of a connection
  std::chrono::milliseconds write_timeout{
      30'000};  // a client that reads no byte of its answer for this long
};

struct ServerStats {
  std::size_t connections = 0;  // open now
  std::size_t in_flight = 0;    // requests handed to the handler and not yet answered
};

class HttpServer {
 public:
  struct Options {
    std::string listen =
        "127.0.0.1:0";  // "host:port", "[::1]:port", ":port" (all addresses) or "unix:PATH"
    int threads = 1;
    ServerLimits limits;
    // Where a handler that throws and a lack of descriptors are logged; nowhere if empty.
    std::optional<obs::Logger> logger;
    Headers extra_headers;  // put on every answer, also on those that the server makes itself (400,
                            // 413, 431, ...)
  };

  // Fails with UNAVAILABLE (address in use, no permission) or INVALID_REQUEST (address does not
  // parse).
  static Result<std::unique_ptr<HttpServer>> start(Options options, Handler handler);

  virtual ~HttpServer() = default;

  // The bound port, also when 0 was asked for; 0 on a Unix socket.
  virtual int port() const = 0;
  virtual ServerStats stats() const = 0;

  // Stops accepting, closes idle connections, answers what is in flight with `Connection: close`.
  // True if everything was answered before the deadline.
  virtual bool drain(std::chrono::milliseconds deadline) = 0;
};

}  // namespace oa::net
