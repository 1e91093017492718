// The context API, v1: what a handler in another process may ask for while its tick runs, over HTTP
// on this machine, with the token that its tick document gave it.
//
//   GET kv/{key}, PUT kv/{key}, DELETE kv/{key}      the raw value, with its Content-Type
//   GET kv?prefix=&limit=&cursor=                    {"items": [{"key", "bytes", "contentType"}],
//   "cursor"?} POST alarms, DELETE alarms/{name}                {"name"?, "at" | "in", "payload"?}
//   POST send                                        {"to", "payload"}
//   POST effects                                     {"key", "http": {...}, "maxAge"?}; done when
//   it is known:
//                                                    {"key", "delivered", "status", "body",
//                                                    "error"?}
//   GET, PUT steps/{name}/{occurrence}               a journalled result; header Agent-Input-Hash
//   POST compensations                               as effects; done if the tick finally fails
//   POST heartbeat                                   {"next": "10s"}
//   POST approvals                                   {"name", "question", "expiresIn"?} -> {"id",
//   "status", "note"} POST log, POST delta, POST emit                  {"level", "text"}; {"text"};
//   {"event", "data"} POST usage                                       {"tokensIn", "tokensOut",
//   "iterations"} GET status                                       {"tickId", "attempt",
//   "deadline", "cancelled"}
//
// All of it stands under /v1 and goes to the tick's context (handlers/handler.h). What only changes
// something is answered 204. A token is dead once its attempt is over: 401.
//
// Lifetime: the server and its one thread start with the first tick that is opened.
//
// Thread-safety: `open` can be called from any thread. The destructor closes the server; calls that
// still wait for an outcome are answered, if at all, to nobody.
#pragma once

#include <memory>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/handlers/protocol.h"

namespace oa::runtime {

class ContextApi {
 public:
  // `listen`: "127.0.0.1:8079", port 0 for any. What is no loopback address is reached by whoever
  // reaches this machine, and is protected by the tokens alone.
  ContextApi(std::string listen, const Clock& clock, const obs::Logger& log);
  ~ContextApi();
  ContextApi(const ContextApi&) = delete;
  ContextApi& operator=(const ContextApi&) = delete;

  // Until the attempt is over. Fails with UNAVAILABLE if the server cannot be started: it is tried
  // again with the next tick.
  Result<ContextAccess> open(const TickInput& input);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace oa::runtime
