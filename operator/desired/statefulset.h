// The StatefulSet of an agent: at most one pod with the runtime, and the claim for its disk.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/agent.h"
#include "libs/kube/object.h"
#include "operator/platform.h"

namespace oa::op {

// The name of the version of a spec that a pod runs: a hash of what the user wrote that a running
// pod cannot take over. Fields at their default are left out, and nothing of the operator's own
// goes in, so that upgrading the operator or the resource definition restarts no agent.
std::string revision_of(const AgentSpec& spec);

// The whole StatefulSet, ready for server-side apply. `replicas` is the lifecycle's decision, 0
// or 1.
nlohmann::json build_statefulset(const kube::Object& agent, const AgentSpec& spec, int replicas,
                                 const Platform& platform);

}  // namespace oa::op
