// The part of an agent's spec that its runtime reads, as JSON: what the operator hands to a pod.
//
// Thread-safety: pure functions.
#pragma once

#include "core/agent.h"
#include "core/json.h"

namespace oa {

// `parse_spec` reads it as the same config, handler, drain timeout, schedules, webhooks and
// callbacks; of a container only where it listens. What has its default is left out, so that a new
// field changes nothing for agents that do not use it; but for maxTickDuration, maxStorageBytes and
// drainTimeout, which are always there.
Json runtime_spec(const AgentSpec& spec);

}  // namespace oa
