#include "operator/desired/statefulset.h"

#include <array>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "core/agent_json.h"
#include "core/text.h"
#include "core/wire.h"
#include "operator/desired/names.h"

namespace oa::op {
namespace {

using nlohmann::json;

constexpr const char* kSpecDirectory = "/etc/openagents";
constexpr const char* kSpecFile = "spec.json";
// What a pod gets beyond its drain time before it is killed: closing the database takes a moment.
constexpr std::int64_t kGraceSeconds = 5;

std::string fnv1a_hex(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  std::array<char, 17> out{};
  std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(hash));
  return out.data();
}

json http_probe(const char* path, int period_seconds, int failure_threshold) {
  return {{"httpGet", {{"path", path}, {"port", "metrics"}}},
          {"periodSeconds", period_seconds},
          {"failureThreshold", failure_threshold},
          {"timeoutSeconds", 2}};
}

json environment(const kube::Object& agent) {
  const auto literal = [](const char* name, std::string_view value) {
    return json{{"name", name}, {"value", std::string(value)}};
  };
  return json::array({literal("AGENT_NAMESPACE", agent.ns()), literal("AGENT_NAME", agent.name()),
                      literal("AGENT_UID", agent.uid()),
                      literal("AGENT_SPEC_FILE", std::string(kSpecDirectory) + "/" + kSpecFile),
                      json{{"name", "AGENT_POD_IP"},
                           {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}}});
}

json container(const kube::Object& agent, const AgentSpec& spec, const Platform& platform) {
  json out = {
      {"name", "agent"},
      {"image", spec.image.value_or(platform.runtime_image)},
      {"imagePullPolicy", spec.image_pull_policy},
      {"args", json::array({"pod"})},
      {"env", environment(agent)},
      {"ports",
       json::array(
           {{{"name", "http"}, {"containerPort", wire::kHttpPort}, {"protocol", "TCP"}},
            {{"name", "metrics"}, {"containerPort", wire::kMetricsPort}, {"protocol", "TCP"}}})},
      // The start-up probe finds a new process within a second; after that the readiness probe can
      // be calm. A data directory that the last pod has not let go of yet is awaited for 30 s,
      // hence the generous limit.
      {"startupProbe", http_probe("/readyz", 1, 120)},
      {"readinessProbe", http_probe("/readyz", 5, 2)},
      {"livenessProbe", http_probe("/healthz", 20, 3)},
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"readOnlyRootFilesystem", true},
        {"capabilities", {{"drop", json::array({"ALL"})}}}}},
      {"volumeMounts",
       json::array({{{"name", "state"}, {"mountPath", std::string(wire::kDataDirectory)}},
                    {{"name", "podinfo"}, {"mountPath", kSpecDirectory}, {"readOnly", true}}})},
  };
  if (!spec.requests.empty()) out["resources"]["requests"] = spec.requests;
  if (!spec.limits.empty()) out["resources"]["limits"] = spec.limits;
  return out;
}

json pod_spec(const kube::Object& agent, const AgentSpec& spec, const Platform& platform) {
  const auto drain = std::chrono::ceil<std::chrono::seconds>(spec.drain_timeout).count();
  json security = {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (platform.fs_group) {
    security["fsGroup"] = *platform.fs_group;
    security["fsGroupChangePolicy"] = "OnRootMismatch";
  }
  const std::string annotation =
      "metadata.annotations['" + std::string(wire::kAnnotationSpec) + "']";
  return {
      {"automountServiceAccountToken", false},
      {"enableServiceLinks", false},
      {"terminationGracePeriodSeconds", drain + kGraceSeconds},
      {"securityContext", security},
      {"containers", json::array({container(agent, spec, platform)})},
      {"volumes",
       json::array({{{"name", "podinfo"},
                     {"downwardAPI",
                      {{"items", json::array({{{"path", kSpecFile},
                                               {"fieldRef", {{"fieldPath", annotation}}}}})}}}}})}};
}

json claim_template(const std::string& name, const AgentStorage& storage) {
  json spec = {{"accessModes", json::array({storage.access_mode})},
               {"resources", {{"requests", {{"storage", storage.size}}}}}};
  if (storage.storage_class) spec["storageClassName"] = *storage.storage_class;
  return {{"apiVersion", "v1"},
          {"kind", "PersistentVolumeClaim"},
          {"metadata", {{"name", "state"}, {"labels", child_labels(name)}}},
          {"spec", spec}};
}

}  // namespace

std::string revision_of(const AgentSpec& spec) {
  const AgentSpec defaults = default_spec();
  json changed = json::object();
  if (spec.image) changed["image"] = *spec.image;
  if (spec.image_pull_policy != defaults.image_pull_policy)
    changed["imagePullPolicy"] = spec.image_pull_policy;
  const json for_runtime = runtime_spec(spec);
  if (spec.config != defaults.config) changed["config"] = for_runtime.at("config");
  for (const char* part : {"handler", "schedules", "webhooks", "callbacks"}) {
    if (for_runtime.contains(part)) changed[part] = for_runtime.at(part);
  }
  if (spec.drain_timeout != defaults.drain_timeout)
    changed["drainTimeout"] = format_duration(spec.drain_timeout);
  if (!spec.requests.empty()) changed["requests"] = spec.requests;
  if (!spec.limits.empty()) changed["limits"] = spec.limits;
  return fnv1a_hex(changed.dump());
}

json build_statefulset(const kube::Object& agent, const AgentSpec& spec, int replicas,
                       const Platform& platform) {
  const std::string name(agent.name());
  return {{"apiVersion", "apps/v1"},
          {"kind", "StatefulSet"},
          {"metadata", child_metadata(agent)},
          {"spec",
           {{"replicas", replicas},
            {"serviceName", name},
            {"podManagementPolicy", "Parallel"},
            {"updateStrategy", {{"type", "OnDelete"}}},
            {"revisionHistoryLimit", 2},
            // whenScaled must be Retain always: Delete would remove the disk of an agent that is
            // scaled to zero.
            {"persistentVolumeClaimRetentionPolicy",
             {{"whenScaled", "Retain"},
              {"whenDeleted", spec.storage.delete_with_agent ? "Delete" : "Retain"}}},
            {"selector", {{"matchLabels", selector_labels(name)}}},
            {"template",
             {{"metadata",
               {{"labels", child_labels(name)},
                {"annotations",
                 {{std::string(wire::kAnnotationSpec), runtime_spec(spec).dump()},
                  {std::string(wire::kAnnotationRevision), revision_of(spec)}}}}},
              {"spec", pod_spec(agent, spec, platform)}}},
            {"volumeClaimTemplates", json::array({claim_template(name, spec.storage)})}}}};
}

}  // namespace oa::op
