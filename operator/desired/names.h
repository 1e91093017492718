// Names and labels of what belongs to an agent. Names are deterministic, so that a stale cache can
// never lead to a second child.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/agent.h"
#include "libs/kube/object.h"

namespace oa::op {

// The StatefulSet and the Service have the agent's own name.
std::string pod_name(const std::string& agent);    // "my-agent-0"
std::string claim_name(const std::string& agent);  // "state-my-agent-0"
std::string agent_url(const AgentId& id);          // "http://my-agent.default.svc"

// What tells the agent's pod from others: the selector of the StatefulSet, the Service and the
// scale subresource.
nlohmann::json selector_labels(const std::string& agent);
std::string selector_text(const std::string& agent);  // "openagents.com/agent=my-agent"

// Every child carries these.
nlohmann::json child_labels(const std::string& agent);

// The metadata of a child with the agent's own name, whose controller the agent is.
nlohmann::json child_metadata(const kube::Object& agent);

// The agent that a child belongs to, by its label.
std::optional<kube::ObjectKey> agent_of(const kube::Object& child);

}  // namespace oa::op
