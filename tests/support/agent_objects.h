// Kubernetes objects as the API server would show them, for the operator's tests.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "core/agent_schema.h"
#include "core/json.h"
#include "libs/kube/apply_match.h"
#include "libs/kube/object.h"
#include "operator/desired/names.h"
#include "operator/desired/service.h"
#include "operator/desired/statefulset.h"
#include "operator/observed.h"

namespace oa::test {

inline const op::Platform kPlatform{"openagents/agent-runtime:test", 65532};
inline constexpr const char* kAgentUid = "11111111-1111-1111-1111-111111111111";
inline constexpr const char* kStatefulSetUid = "22222222-2222-2222-2222-222222222222";

// default/my-agent with this spec (YAML), defaulted as the API server does.
inline kube::Object agent_object(const std::string& spec_yaml = "{}", Json status = nullptr) {
  Json object = {
      {"apiVersion", "openagents.com/v1"},
      {"kind", "Agent"},
      {"metadata",
       {{"name", "my-agent"}, {"namespace", "default"}, {"uid", kAgentUid}, {"generation", 3}}},
      {"spec", schema::with_defaults(agent_spec_schema(),
                                     parse_yaml("spec: " + spec_yaml).value().at("spec"))}};
  if (!status.is_null()) object["status"] = std::move(status);
  return kube::Object(std::move(object));
}

inline AgentSpec spec_of(const kube::Object& agent) {
  return parse_spec(*agent.at("/spec"), schema::Unknown::kRefuse).value();
}

inline kube::Object service_object(const kube::Object& agent) {
  return kube::Object(kube::with_applied_hash(op::build_service(agent)));
}

inline kube::Object statefulset_object(const kube::Object& agent) {
  Json object = kube::with_applied_hash(
      op::build_statefulset(agent, spec_of(agent), spec_of(agent).replicas, kPlatform));
  object["metadata"]["uid"] = kStatefulSetUid;
  object["metadata"]["generation"] = 1;
  object["status"]["observedGeneration"] = 1;
  return kube::Object(std::move(object));
}

inline kube::Object claim_object(const std::string& phase = "Bound") {
  Json object = {{"apiVersion", "v1"},
                 {"kind", "PersistentVolumeClaim"},
                 {"metadata",
                  {{"name", "state-my-agent-0"},
                   {"namespace", "default"},
                   {"labels", op::child_labels("my-agent")}}},
                 {"status", {{"phase", phase}}}};
  if (phase == "Bound") object["status"]["capacity"]["storage"] = "1Gi";
  return kube::Object(std::move(object));
}

// A pod of the agent's present revision; `container` is its entry in containerStatuses.
inline Json pod_json(const kube::Object& agent, bool ready, Json container = nullptr) {
  Json annotations = {{"openagents.com/revision", op::revision_of(spec_of(agent))}};
  Json owner = {{"apiVersion", "apps/v1"},
                {"kind", "StatefulSet"},
                {"name", "my-agent"},
                {"uid", kStatefulSetUid},
                {"controller", true}};
  Json pod = {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata",
       {{"name", "my-agent-0"},
        {"namespace", "default"},
        {"uid", "33333333-3333-3333-3333-333333333333"},
        {"labels", op::child_labels("my-agent")},
        {"annotations", annotations},
        {"ownerReferences", Json::array({owner})}}},
      {"status",
       {{"conditions", Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})}}}};
  if (!container.is_null()) {
    container["name"] = "agent";
    container["ready"] = ready;
    pod["status"]["containerStatuses"] = Json::array({container});
  }
  return pod;
}

inline kube::Object pod_object(const kube::Object& agent, bool ready, Json container = nullptr) {
  return kube::Object(pod_json(agent, ready, std::move(container)));
}

// Everything there and up to date; tests take away or change what they are about.
inline op::Observed running(const kube::Object& agent) {
  return {.agent = agent,
          .statefulset = statefulset_object(agent),
          .service = service_object(agent),
          .claim = claim_object(),
          .pod = pod_object(agent, true)};
}

// The object with one more thing in its metadata or elsewhere, by JSON pointer.
inline kube::Object with(const kube::Object& object, const std::string& pointer, Json value) {
  Json copy = object.json();
  copy[Json::json_pointer(pointer)] = std::move(value);
  return kube::Object(std::move(copy));
}

}  // namespace oa::test
