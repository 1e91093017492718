// An asynchronous HTTP/1.1 client for many exchanges on one thread. Boost and OpenSSL stay behind
// this header.
//
//   ClientRequest request;
//   request.method = "POST";
//   request.url = *parse_url("https://example.com/hook");
//   request.headers.set("Content-Type", "application/json");
//   request.body = "{}";
//   client->send(std::move(request), [](ClientResult result) {
//     if (result.response) use(result.response->status);
//   });
//
// Connections are kept and used again per scheme, host and port. Redirects are not followed, bodies
// not decoded, proxies not used: each is the caller's decision. An answer of any status is a
// response and no error.
//
// Lifetime: the thread starts at the first `send`; a client with no exchange and no open connection
// costs no wake-ups. The destructor ends what is in flight (UNAVAILABLE, ClientClosed) and calls
// each `done` before it returns; it waits for a name that is being looked up.
//
// Thread-safety: `send` and handles can be used from any thread, also within callbacks. All
// callbacks of a client run on its one thread, must not block or throw, and must not destroy the
// client.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "libs/net/message.h"
#include "libs/net/url.h"
#include "libs/obs/log.h"

namespace oa::net {

struct ClientRequest {
  std::string method = "GET";  // any token but CONNECT
  Url url;
  // Host and User-Agent are set unless they are here. Those that frame the message or speak of the
  // connection (Content-Length, Transfer-Encoding, Connection, Expect, ...) are the client's, and
  // refused.
  Headers headers;
  std::string body;
  // From `send` to the last byte of the answer, a wait for a free connection included.
  std::chrono::milliseconds timeout{60'000};
  // Looking up the name, connecting, and the TLS handshake.
  std::chrono::milliseconds connect_timeout{10'000};
  // Of the answer; also of one that is streamed.
  std::size_t max_body_bytes = 16 * 1024 * 1024;
  // Called once, before any of the body, with the final (not 1xx) status and headers.
  std::function<void(const Response& head)> on_head;
  // Takes the body of a 2xx answer as it comes instead of collecting it in the response. Nothing
  // more is read while it runs or the exchange is paused. False ends the exchange (UNAVAILABLE,
  // Cancelled).
  std::function<bool(std::string_view bytes)> on_body;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// Errors, by code and reason:
//   UNAVAILABLE      NameNotFound | ConnectFailed | TlsFailed | ConnectionLost
//                    TooManyRequests: as many as may wait for the host do already
//                    Cancelled | ClientClosed: not retryable
//   TIMEOUT          ConnectTimeout: there was no connection in time; ResponseTimeout: no answer
//   RUNTIME_ERROR    MalformedAnswer: not HTTP/1
//   LIMIT_EXCEEDED   AnswerTooLarge: the body, or more than 64 KiB of headers
//   UNAUTHORIZED     AddressRefused: by `may_connect`
//   INVALID_REQUEST  a request that must not be sent as it is
struct ClientResult {
  Result<ClientResponse> response;
  // Whether a byte of the request may have left. If not, repeating it is safe, whatever it does.
  bool sent = false;
};

// What a handle acts on; a test's own client brings its own.
class ExchangeControl {
 public:
  virtual ~ExchangeControl() = default;
  virtual void cancel() = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

// One exchange; copies are of the same. Does nothing once the exchange has ended, or when default
// made.
class ClientHandle {
 public:
  ClientHandle() = default;
  explicit ClientHandle(std::shared_ptr<ExchangeControl> control) : control_(std::move(control)) {}

  // `done` is called soon with UNAVAILABLE (Cancelled), or with what came first; never within this
  // call. No on_head or on_body follows one in which this was called.
  void cancel() const {
    if (control_) control_->cancel();
  }
  // Holds the body of the answer back, in the end by TCP. No on_body follows one in which this was
  // called until `resume`. The timeout runs on.
  void pause() const {
    if (control_) control_->pause();
  }
  void resume() const {
    if (control_) control_->resume();
  }

 private:
  std::shared_ptr<ExchangeControl> control_;
};

class HttpClient {
 public:
  struct Options {
    std::size_t max_connections_per_host = 64;  // further requests wait in order
    std::size_t max_waiting_per_host = 1024;    // further ones fail (TooManyRequests)
    std::size_t max_connections = 1024;         // to all hosts
    // How long an unused connection is kept.
    std::chrono::milliseconds idle_timeout{30'000};
    // PEM, instead of the system's authorities. TLS is always verified, at least 1.2.
    std::string ca_file;
    // Asked before every connect, with "127.0.0.1", "::1" (no IPv4-mapped addresses) or
    // "unix:PATH", on the client's thread. Addresses that it refuses are passed over; may be empty.
    std::function<bool(const std::string& address)> may_connect;
    // Where callbacks that throw are logged; nowhere if empty.
    std::optional<obs::Logger> logger;
  };

  using Done = std::function<void(ClientResult)>;

  // Fails with INVALID_REQUEST (CA file cannot be read, a limit of 0).
  static Result<std::unique_ptr<HttpClient>> start(Options options);

  virtual ~HttpClient() = default;

  // `done` is called exactly once, maybe before this returns. A kept connection that turns out to
  // be dead before a byte of the answer came is replaced once, if the request is idempotent (GET,
  // HEAD, PUT, DELETE, OPTIONS) or no byte of it was sent.
  virtual ClientHandle send(ClientRequest request, Done done) = 0;
};

}  // namespace oa::net
