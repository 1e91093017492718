// HTTP messages as plain values, and the functions on them that need no socket.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/result.h"

namespace oa::net {

class BodyWriter;  // libs/net/stream.h
class Caller;      // libs/net/stream.h
class WebSocket;   // libs/net/websocket.h

// Whether two header names are the same: ASCII letters without regard to case.
bool same_name(std::string_view a, std::string_view b);

// Header fields in order of arrival. Names compare without regard to case (RFC 9110 section 5.1).
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void set(std::string_view name, std::string value);  // replaces every field of that name
  std::optional<std::string_view> find(std::string_view name) const;  // the first one
  std::string_view get(std::string_view name, std::string_view otherwise = {}) const;
  const std::vector<Field>& fields() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

struct Request {
  std::string method;  // upper case as sent
  std::string target;  // origin form as sent: "/kv/a%20b?x=1"
  Headers headers;
  std::string body;
  std::string peer;                   // "127.0.0.1:51234", or "unix" on a Unix socket
  std::weak_ptr<Caller> caller = {};  // tells when the client goes away; empty without a server
};

// Makes the connection a WebSocket.
struct WebSocketAccept {
  std::string protocol;  // one of those that the client offers, or empty
  std::function<void(std::shared_ptr<WebSocket>)> opened;  // called on the I/O thread
};

struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};

  // If set, it is the body: called on the I/O thread once the head has been sent, and not at all
  // where the answer has no body (HEAD, 204, 304) or the client has gone before. The body is
  // chunked, or ends with the connection in HTTP/1.0.
  std::function<void(std::shared_ptr<BodyWriter>)> stream = nullptr;

  // If set, the answer is 101 and status and body do not count. A request that is no WebSocket
  // handshake is answered 426 instead.
  std::optional<WebSocketAccept> websocket = std::nullopt;
};

// A request's target taken apart. Percent-encoding is undone after splitting, so "/kv/a%2Fb" has
// the segments "kv" and "a/b". A trailing slash yields no empty segment.
struct Target {
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;  // in order; "+" is a space in the query

  std::optional<std::string_view> query_value(std::string_view name) const;
};

// Refuses (INVALID_REQUEST) targets that are not in origin form, hold bad percent-encoding, a NUL
// byte, text that is not UTF-8, or an empty, "." or ".." segment.
Result<Target> parse_target(std::string_view target);

// The media type without its parameters, in lower case: "application/json; charset=utf-8" ->
// "application/json".
std::string media_type(std::string_view content_type);

// A JSON answer; `body` must be JSON text.
Response json_response(int status, std::string body);

// `application/problem+json` (RFC 9457) for an error; status from core/error.h. `trace_id` may be
// empty. Adds `Retry-After: 1` to UNAVAILABLE and RATE_LIMITED, and to the reason UpgradeRequired
// what the upgrade is to.
Response problem_response(const Error& error, std::string_view trace_id = {});

// The trace id (32 lower-case hex digits) of a W3C `traceparent` header, or nothing if it is
// malformed or all zero.
std::optional<std::string> trace_id_of(std::string_view traceparent);

}  // namespace oa::net
