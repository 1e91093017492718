// The handler protocol, v1: what a handler in another process is sent, and what its answer means.
//
// The runtime sends a tick document, a JSON object; the handler answers with another one:
//
//   {"state": {}, "reply": {},
//    "kv":      [{"put": "key", "value": {}}, {"delete": "key"},
//                {"put": "key", "text" | "base64": "...", "contentType": "text/plain"}],
//    "alarms":  [{"set": {"name": "n", "in": "10s", "payload": {}}}, {"cancel": "n"}],
//    "send":    [{"to": "namespace/name or URL", "payload": {}}],
//    "effects": [{"key": "charge-17", "maxAge": "1h",
//                 "http": {"method": "POST", "url": "...", "headers": {}, "body": {}}}],
//    "sockets": [{"send": "connection or tag:x", "text" | "base64": "..."},
//                {"close": "connection", "code": 1000, "reason": "..."},
//                {"update": "connection", "tags": ["x"], "attachment": {}}],
//    "job":     {"progress": {}, "continue": true},
//    "hibernate": true}
//
// All members may be absent, null counts as absent, and members that are not known are ignored.
// `replyBase64` with `replyContentType` is a reply of bytes.
//
// Thread-safety: pure functions; `show_event` as the context that it is given.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxAnswerBytes = 16 * 1024 * 1024;
inline constexpr std::size_t kMaxAnswerItems = 10'000;    // of each list
inline constexpr std::size_t kMaxShownBytes = 64 * 1024;  // of an event for those who watch
inline constexpr std::size_t kMaxAttachmentBytes = 16 * 1024;

// Where the context API is during the tick, and what it asks for.
struct ContextAccess {
  std::string url;
  std::string token;
};

std::string tick_document(const TickInput& input, const ContextAccess& access);

// What an answer of this status and body means: 2xx is an answer; 408, 425, 429 and 5xx are a
// retry; everything else fails the tick for good, with the handler's own words. `now` is what the
// times of alarms count from.
TickOutcome read_response(int status, std::string_view body, Time now);
// The object above. What is not one fails the tick: RUNTIME_ERROR, reason BadAnswer, with the path.
TickOutcome read_answer(std::string_view text, Time now);

// The tick has failed because its handler broke the protocol.
TickOutcome bad_answer(const Error& why);

// Parts that come also by the context API: INVALID_REQUEST names what is wrong.
Result<AlarmSet> read_alarm(const Json& value, Time now);
Result<MessageSend> read_send(const Json& value);
Result<EffectRequest> read_effect(const Json& value);
Result<ApprovalRequest> read_approval(const Json& value);
Result<Usage> read_usage(const Json& value);
Result<Duration> read_heartbeat(const Json& value);

// Events for those who watch: `delta {"text"}`, `log {"level", "text"}`, and `progress`,
// `tool_call` and `tool_result` with any object.
bool is_shown(std::string_view event);
Result<void> show_event(TickContext& context, std::string_view event, Json data);

}  // namespace oa::runtime
