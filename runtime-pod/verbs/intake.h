// What comes from outside for an agent to work on, with what its sender says about it; and how
// repeats of it are told (design.md, Keys).
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/result.h"
#include "runtime-pod/agent/actor.h"

namespace oa::runtime {

struct Intake {
  AgentId agent;
  std::string verb;                 // "POST /run": what an idempotency key is used for
  std::string source = "http";      // order holds per source and sender
  std::string sender;               // empty: nobody in particular
  std::optional<std::int64_t> seq;  // of the sender's envelopes; they must rise
  std::string envelope_id;          // empty: one is made up
  std::optional<Time> expires_at;
  std::string idempotency_key;  // empty: none
  std::string traceparent;
  std::string content_type;
  std::string body;
};

// INVALID_REQUEST for a key, an id or a sender that is too long or not visible, a seq that is not
// positive or without a sender, and an end that is over.
Result<void> check_intake(const Intake& intake, Time now);

// The same for every repeat of a sender's envelope that says its seq and no id.
std::string sequence_id(std::string_view source, std::string_view sender, std::int64_t seq);

// How repeats are told: by the idempotency key or, for a verb that keeps no envelope, by the
// envelope's id. Nothing if there is neither.
std::optional<ReplayKey> replay_key(const Intake& intake);

// As an envelope. `made_up`: its id if it has none. INVALID_REQUEST for a body that is not what its
// type says.
Result<Envelope> make_envelope(Intake intake, Time now, std::string made_up);

}  // namespace oa::runtime
