// What others tell an agent of: signed webhooks and CloudEvents. Each becomes an envelope of an
// Event trigger, taken when it is on disk; a repeat is told by the ids that its sender gave.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/result.h"
#include "libs/net/message.h"
#include "runtime-pod/events/cloudevents.h"
#include "runtime-pod/verbs/messages.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct Webhook {
  AgentId agent;
  std::string source;  // of the agent's spec.webhooks
  net::Headers headers;
  std::string body;
  std::string traceparent;
};

// `done` once the delivery is on disk: its envelope's payload is the body. NOT_FOUND for a source
// that the agent does not have; what verify_webhook says for one whose signature is not good.
void take_webhook(const Services& services, Webhook webhook,
                  std::function<void(Result<SendAnswer>)> done);

// "<source>:<delivery>", with the delivery's hash in its place where it could not stand in a URL as
// it is. Pure.
std::string webhook_envelope_id(std::string_view source, std::string_view delivery);

// One after the other; `done` once all are on disk, with what became of each, or at the first one
// that is refused: then those before it are taken, and are repeats when all are sent again. An
// envelope's payload is the event in its structured form. Events of one CloudEvents source are
// processed in order.
void take_events(const Services& services, const AgentId& agent, std::vector<CloudEvent> events,
                 std::string traceparent,
                 std::function<void(Result<std::vector<SendAnswer>>)> done);

}  // namespace oa::runtime
