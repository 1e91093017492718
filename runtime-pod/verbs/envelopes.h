// What became of the envelopes that an agent has taken, and ending those that are not over.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <string>

#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct EnvelopeOutcome {
  std::string id;
  EnvelopeRow row;
  bool is_running = false;  // its tick is
};
// As users see it.
OrderedJson envelope_document(const EnvelopeOutcome& outcome);
// The same of a report alone: output, tick, usage.
void add_report(OrderedJson& json, const TickReport& report);
OrderedJson usage_json(const TickReport& report);
// The part of a problem that says what went wrong.
OrderedJson error_document(const Error& error);

using OutcomeDone = std::function<void(Result<EnvelopeOutcome>)>;

// NOT_FOUND for an envelope that was never taken, or ended longer ago than `kRemembered`.
void find_envelope(const Services& services, const AgentId& agent, const std::string& id,
                   OutcomeDone done);

// Ends it; `done` once that is on disk. CONFLICT, reason TooLate, if its tick stands.
void cancel_envelope(const Services& services, const AgentId& agent, const std::string& id,
                     OutcomeDone done);

}  // namespace oa::runtime
