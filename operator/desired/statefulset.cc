#include "operator/desired/statefulset.h"

#include <array>
#include <cstdio>
#include <map>
#include <set>

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
// What the runtime listens on where it is not told otherwise.
constexpr int kGrpcPort = 9090;

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

json locked_down() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", json::array({"ALL"})}}}};
}

json resources(const Quantities& requests, const Quantities& limits) {
  json out = json::object();
  if (!requests.empty()) out["requests"] = requests;
  if (!limits.empty()) out["limits"] = limits;
  return out;
}

// The keys that the runtime reads, by Secret.
std::map<std::string, std::set<std::string>> secrets_of(const AgentSpec& spec) {
  std::map<std::string, std::set<std::string>> keys;
  for (const WebhookSource& webhook : spec.webhooks) {
    keys[webhook.secret.name].insert(webhook.secret.key);
  }
  if (spec.callback_secret) keys[spec.callback_secret->name].insert(spec.callback_secret->key);
  return keys;
}

std::string secret_volume(std::size_t index) { return "secret-" + std::to_string(index); }

json runtime_mounts(const AgentSpec& spec) {
  json mounts =
      json::array({{{"name", "state"}, {"mountPath", std::string(wire::kDataDirectory)}},
                   {{"name", "podinfo"}, {"mountPath", kSpecDirectory}, {"readOnly", true}}});
  std::size_t index = 0;
  for (const auto& [name, unused] : secrets_of(spec)) {
    mounts.push_back({{"name", secret_volume(index++)},
                      {"mountPath", std::string(wire::kSecretsDirectory) + "/" + name},
                      {"readOnly", true}});
  }
  return mounts;
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
            {{"name", "grpc"}, {"containerPort", kGrpcPort}, {"protocol", "TCP"}},
            {{"name", "metrics"}, {"containerPort", wire::kMetricsPort}, {"protocol", "TCP"}}})},
      // The start-up probe finds a new process within a second; after that the readiness probe can
      // be calm. A data directory that the last pod has not let go of yet is awaited for 30 s,
      // hence the generous limit.
      {"startupProbe", http_probe("/readyz", 1, 120)},
      {"readinessProbe", http_probe("/readyz", 5, 2)},
      {"livenessProbe", http_probe("/healthz", 20, 3)},
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"securityContext", locked_down()},
      {"volumeMounts", runtime_mounts(spec)},
  };
  if (json amounts = resources(spec.requests, spec.limits); !amounts.empty()) {
    out["resources"] = std::move(amounts);
  }
  return out;
}

json handler_environment(const ContainerHandler& handler) {
  json out = json::array();
  for (const EnvVariable& variable : handler.env) {
    json entry = {{"name", variable.name}};
    if (const auto* secret = std::get_if<SecretKeyRef>(&variable.value)) {
      entry["valueFrom"]["secretKeyRef"] = {{"name", secret->name}, {"key", secret->key}};
    } else if (const auto& value = std::get<std::string>(variable.value); !value.empty()) {
      // The API server leaves an empty one out, and would seem to have changed it.
      entry["value"] = value;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

// The agent's logic beside its runtime. It has no probe: while it runs, whether the pod is ready is
// the runtime's to say, and ticks that it does not answer are tried again.
json handler_container(const ContainerHandler& handler, const AgentSpec& spec) {
  json out = {
      {"name", "handler"},
      {"image", handler.image},
      {"imagePullPolicy", spec.image_pull_policy},
      {"ports",
       json::array({{{"name", "handler"}, {"containerPort", handler.port}, {"protocol", "TCP"}}})},
      {"terminationMessagePolicy", "FallbackToLogsOnError"},
      {"securityContext", locked_down()},
  };
  if (!handler.env.empty()) out["env"] = handler_environment(handler);
  if (!handler.command.empty()) out["command"] = handler.command;
  if (!handler.args.empty()) out["args"] = handler.args;
  if (json amounts = resources(handler.requests, handler.limits); !amounts.empty()) {
    out["resources"] = std::move(amounts);
  }
  return out;
}

json containers(const kube::Object& agent, const AgentSpec& spec, const Platform& platform) {
  json out = json::array({container(agent, spec, platform)});
  if (const auto* handler = std::get_if<ContainerHandler>(&spec.handler)) {
    out.push_back(handler_container(*handler, spec));
  }
  return out;
}

json volumes(const AgentSpec& spec) {
  const std::string annotation =
      "metadata.annotations['" + std::string(wire::kAnnotationSpec) + "']";
  json out = json::array(
      {{{"name", "podinfo"},
        {"downwardAPI",
         {{"items",
           json::array({{{"path", kSpecFile}, {"fieldRef", {{"fieldPath", annotation}}}}})}}}}});
  std::size_t index = 0;
  for (const auto& [name, keys] : secrets_of(spec)) {
    json items = json::array();
    for (const std::string& key : keys) items.push_back({{"key", key}, {"path", key}});
    // Optional: an agent whose Secret is not there yet runs, and refuses the webhook alone.
    out.push_back({{"name", secret_volume(index++)},
                   {"secret", {{"secretName", name}, {"items", items}, {"optional", true}}}});
  }
  return out;
}

json pod_spec(const kube::Object& agent, const AgentSpec& spec, const Platform& platform) {
  const auto drain = std::chrono::ceil<std::chrono::seconds>(spec.drain_timeout).count();
  json security = {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (platform.fs_group) {
    security["fsGroup"] = *platform.fs_group;
    security["fsGroupChangePolicy"] = "OnRootMismatch";
  }
  return {{"automountServiceAccountToken", false},
          {"enableServiceLinks", false},
          {"terminationGracePeriodSeconds", drain + kGraceSeconds},
          {"securityContext", security},
          {"containers", containers(agent, spec, platform)},
          {"volumes", volumes(spec)}};
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
  if (const auto* handler = std::get_if<ContainerHandler>(&spec.handler)) {
    json& part = changed["handler"]["container"];
    if (!handler->env.empty()) part["env"] = handler_environment(*handler);
    if (!handler->requests.empty()) part["requests"] = handler->requests;
    if (!handler->limits.empty()) part["limits"] = handler->limits;
    if (!handler->command.empty()) part["command"] = handler->command;
    if (!handler->args.empty()) part["args"] = handler->args;
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
