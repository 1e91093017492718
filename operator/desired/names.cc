#include "operator/desired/names.h"

#include <nlohmann/json.hpp>

#include "core/wire.h"
#include "operator/platform.h"

namespace oa::op {

using nlohmann::json;

std::string pod_name(const std::string& agent) { return agent + "-0"; }

std::string claim_name(const std::string& agent) { return "state-" + agent + "-0"; }

std::string agent_url(const AgentId& id) {
  return "http://" + id.name + "." + id.namespace_name + ".svc";
}

json selector_labels(const std::string& agent) { return {{std::string(wire::kLabelAgent), agent}}; }

std::string selector_text(const std::string& agent) {
  return std::string(wire::kLabelAgent) + "=" + agent;
}

json child_labels(const std::string& agent) {
  return {{std::string(wire::kLabelAgent), agent},
          {std::string(wire::kLabelName), "agent"},
          {std::string(wire::kLabelManagedBy), kManager}};
}

json child_metadata(const kube::Object& agent) {
  const std::string name(agent.name());
  const json owner = {{"apiVersion", std::string(wire::kApiVersion)},
                      {"kind", std::string(wire::kKind)},
                      {"name", name},
                      {"uid", std::string(agent.uid())},
                      {"controller", true},
                      {"blockOwnerDeletion", true}};
  return {{"name", name},
          {"namespace", std::string(agent.ns())},
          {"labels", child_labels(name)},
          {"ownerReferences", json::array({owner})}};
}

std::optional<kube::ObjectKey> agent_of(const kube::Object& child) {
  const auto name = child.label(wire::kLabelAgent);
  if (!name) return std::nullopt;
  return kube::ObjectKey{std::string(child.ns()), std::string(*name)};
}

}  // namespace oa::op
