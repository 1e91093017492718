// What invoke/v1 (wire.md) adds to a run: sessions, and a conversation as the input.
//
// A session is an id that the agent has given out, kept for 24 h after its last use. What belongs
// to it is the handler's business, which gets the id with the messages.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <string>

#include "core/envelope.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/verbs/intake.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

// The session with the id `given`, or a new one if that is empty; `done` with its id once it is on
// disk. RUNTIME_ERROR, reason UnknownSession, for one that this agent does not know (any more). A
// repeat (Intake) opens the same session.
void open_session(const Services& services, const Intake& intake, const std::string& given,
                  std::function<void(Result<std::string>)> done);

// What the handler gets. `input` has messages, or a prompt, which becomes one user's message.
Payload invoke_payload(const Json& input, const std::string& session, const Json& options);

// A reply as text: text as it is, JSON as its text, bytes that are no text in base64.
std::string reply_text(const Reply& reply);

}  // namespace oa::runtime
