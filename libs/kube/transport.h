// How HTTP reaches the API server: one interface, so that requests stay values, tests can script
// the answers, and the HTTP library stays in one file (cpprest_transport.cc).
//
// Thread-safety: a Transport can be used from any thread. A Stream belongs to one thread.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace oa::kube {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The value of the first header of that name, whatever its case; "" if there is none.
std::string_view header(const Headers& headers, std::string_view name);

// A client certificate and its key, both PEM.
struct ClientIdentity {
  std::string certificate;
  std::string key;

  bool operator==(const ClientIdentity&) const = default;
};

struct HttpRequest {
  std::string method = "GET";
  std::string path;                                        // encoded, begins with a slash
  std::vector<std::pair<std::string, std::string>> query;  // plain text; encoded by `target`
  Headers headers;
  std::string body;
  // May be sent again when it is unknown whether the first was carried out.
  bool repeatable = false;
  // Proves who we are at the TLS level; null: no client certificate. A change opens new
  // connections.
  std::shared_ptr<const ClientIdentity> identity;
};

// The path with the encoded query: "/api/v1/pods?labelSelector=app%3Dx".
std::string target(const HttpRequest& request);

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;
};

// An answer whose body is read bit by bit.
class Stream {
 public:
  virtual ~Stream() = default;  // closes the connection if the body was not read to its end

  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;

  // Waits for the next bytes. An empty string is the orderly end of the body. After an error there
  // is nothing more. Errors: TIMEOUT reason IdleTimeout after `idle_limit` without a byte;
  // UNAVAILABLE reason ConnectionLost or Cancelled (the stop token that the stream was opened with
  // was raised).
  virtual Result<std::string> read(Duration idle_limit) = 0;
};

// Errors of both calls: TIMEOUT reason Timeout; UNAVAILABLE reason ConnectionRefused (nothing was
// sent: also when the name does not resolve), ConnectionLost (the request may or may not have been
// carried out), TlsFailure, Cancelled.
class Transport {
 public:
  virtual ~Transport() = default;

  // Sends and reads the whole answer, at most `kMaxBody` bytes of it, within `timeout` in all.
  virtual Result<HttpResponse> send(const HttpRequest& request, Duration timeout,
                                    std::stop_token stop) = 0;

  // Sends and returns at the answer's head, which some proxies withhold until the first event:
  // hence `idle_limit` covers that wait too. Raising `stop` ends a pending `open` or `read` at
  // once, from any thread.
  virtual Result<std::unique_ptr<Stream>> open(const HttpRequest& request, Duration idle_limit,
                                               std::stop_token stop) = 0;

  static constexpr std::size_t kMaxBody = 256 << 20;
};

}  // namespace oa::kube
