#include "core/agent_schema.h"

#include <algorithm>
#include <string>

#include "core/text.h"
#include "core/wire.h"

namespace oa {
namespace {

using schema::Field;
using schema::Kind;

constexpr std::int64_t kSecond = 1000;
constexpr std::int64_t kHour = 3600 * kSecond;

std::int64_t milli(const Json& quantity) {
  const auto parsed =
      parse_quantity_milli(quantity.is_string() ? quantity.get<std::string>() : dump(quantity));
  return parsed ? *parsed : 0;
}

bool requests_within_limits(const Json& resources) {
  const Json requests = resources.value("requests", Json::object());
  const Json limits = resources.value("limits", Json::object());
  return std::all_of(requests.items().begin(), requests.items().end(), [&](const auto& request) {
    return !limits.contains(request.key()) ||
           milli(request.value()) <= milli(limits[request.key()]);
  });
}

Field quantities(std::string name, std::string description) {
  return {.name = std::move(name),
          .kind = Kind::kMap,
          .description = std::move(description),
          .max_length = 16,
          .items = {{.kind = Kind::kQuantity,
                     .description =
                         "An amount such as 500m of cpu, 1Gi of memory or 1 of nvidia.com/gpu."}}};
}

Field config() {
  return {.name = "config",
          .kind = Kind::kObject,
          .description = "Limits on the agent's work.",
          .default_value = Json::object(),
          .fields = {
              {.name = "maxTickDuration",
               .kind = Kind::kDuration,
               .description = "How long one run of the handler may take, such as 30s or 5m. A tick "
                              "that takes longer fails "
                              "and changes nothing. Default 30s; 100ms to 24h.",
               .default_value = "30s",
               .minimum = 100,
               .maximum = 24 * kHour},
              {.name = "maxStorageBytes",
               .kind = Kind::kQuantity,
               .description =
                   "How many bytes of state and keys the agent may store, such as 1Gi. A tick that "
                   "would exceed "
                   "it fails with LIMIT_EXCEEDED and changes nothing. Default 1Gi; at least 64Ki.",
               .default_value = "1Gi",
               .minimum = 64 * 1024},
          }};
}

Field lifecycle() {
  return {.name = "lifecycle",
          .kind = Kind::kObject,
          .description = "How the agent starts and stops.",
          .default_value = Json::object(),
          .fields = {
              {.name = "drainTimeout",
               .kind = Kind::kDuration,
               .description =
                   "How long the runtime may finish accepted requests after it was asked to stop, "
                   "before it is killed. Default 30s; 1s to 1h.",
               .default_value = "30s",
               .minimum = kSecond,
               .maximum = kHour}}};
}

Field resources() {
  return {
      .name = "resources",
      .kind = Kind::kObject,
      .description = "CPU, memory and devices of the agent's container, as in a pod.",
      .fields = {quantities(
                     "requests",
                     "What the scheduler sets aside for the agent. Absent means what limits say."),
                 quantities("limits", "What the agent may use at most. Absent means no limit.")},
      .rules = {
          {"!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) "
           "|| "
           "!isQuantity(string(self.requests[k])) || !isQuantity(string(self.limits[k])) || "
           "quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
           "not request more of a resource than its limit", requests_within_limits}}};
}

constexpr const char* kFixed = "not be changed after the agent was created";

Field storage() {
  const Json defaults = {
      {"size", "1Gi"}, {"accessMode", "ReadWriteOncePod"}, {"whenDeleted", "Retain"}};
  return {.name = "storage",
          .kind = Kind::kObject,
          .description = "The agent's own disk. It outlives the pod, and by default the agent.",
          .default_value = defaults,
          .fields =
              {
                  {.name = "size",
                   .kind = Kind::kQuantity,
                   .description = "Size of the disk, such as 10Gi. Default 1Gi; at least 128Mi. "
                                  "Fixed once the agent exists.",
                   .default_value = "1Gi",
                   // Twice the free space below which a runtime takes nothing in.
                   .minimum = 128 * 1024 * 1024,
                   .rules = {{"string(self) == string(oldSelf)", kFixed}}},
                  {.name = "storageClass",
                   .kind = Kind::kString,
                   .description = "Name of the StorageClass that makes the disk. Absent means the "
                                  "cluster's default class. "
                                  "Fixed once the agent exists.",
                   .max_length = 253,
                   .pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                   .pattern_must =
                       "be the name of a StorageClass: lower-case letters, digits, '-' and '.'"},
                  {.name = "accessMode",
                   .kind = Kind::kString,
                   .description = "ReadWriteOncePod (one pod in the whole cluster may use the "
                                  "disk) or ReadWriteOnce (one "
                                  "node, for storage drivers that do not know the former). Default "
                                  "ReadWriteOncePod. Fixed "
                                  "once the agent exists.",
                   .default_value = "ReadWriteOncePod",
                   .enumeration = {"ReadWriteOncePod", "ReadWriteOnce"},
                   .rules = {{"self == oldSelf", kFixed}}},
                  {.name = "whenDeleted",
                   .kind = Kind::kString,
                   .description = "What becomes of the disk when the agent is deleted: Retain "
                                  "keeps it for a later agent of "
                                  "the same name, Delete removes it. Default Retain.",
                   .default_value = "Retain",
                   .enumeration = {"Retain", "Delete"}},
              },
          .rules = {{"has(self.storageClass) == has(oldSelf.storageClass) && "
                     "(!has(self.storageClass) || self.storageClass == oldSelf.storageClass)",
                     "not have its storageClass changed after the agent was created"}}};
}

Field make_spec() {
  return {.name = "spec",
          .kind = Kind::kObject,
          .description = "What the agent should be.",
          .default_value = Json::object(),
          .fields = {
              {.name = "image",
               .kind = Kind::kString,
               .description = "The runtime's image, such as openagents/agent-runtime:latest. "
                              "Absent means the image that the "
                              "operator was installed with. At most 512 characters.",
               .max_length = 512,
               .pattern = "^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$",
               .pattern_must = "be an image reference such as openagents/agent-runtime:latest"},
              {.name = "imagePullPolicy",
               .kind = Kind::kString,
               .description = "When the node fetches the image: IfNotPresent, Always or Never. "
                              "Default IfNotPresent.",
               .default_value = "IfNotPresent",
               .enumeration = {"IfNotPresent", "Always", "Never"}},
              {.name = "replicas",
               .kind = Kind::kInteger,
               .description = "1 means the agent runs, 0 means it is suspended: its pod is gone, "
                              "its disk and state stay. "
                              "kubectl scale sets it. Default 1; 0 or 1.",
               .default_value = 1,
               .minimum = 0,
               .maximum = 1},
              config(),
              lifecycle(),
              {.name = "route",
               .kind = Kind::kString,
               .description = "How requests reach the agent. Direct: the agent's Service leads "
                              "straight to its pod. Absent "
                              "means the operator's choice.",
               .enumeration = {"Direct"}},
              resources(),
              storage(),
          }};
}

Field text(std::string name, std::string description, std::size_t max_length) {
  return {.name = std::move(name),
          .kind = Kind::kString,
          .description = std::move(description),
          .max_length = max_length};
}

Field condition() {
  return {.kind = Kind::kObject,
          .description = "One fact about the agent.",
          .fields = {
              {.name = "type",
               .kind = Kind::kString,
               .description = "Ready, StorageReady, Progressing or Degraded.",
               .required = true,
               .max_length = 316},
              {.name = "status",
               .kind = Kind::kString,
               .description = "True, False or Unknown.",
               .required = true,
               .enumeration = {"True", "False", "Unknown"}},
              {.name = "reason",
               .kind = Kind::kString,
               .description = "Why, as one word for programs, such as PodReady or ImagePull.",
               .required = true,
               .max_length = 1024},
              {.name = "message",
               .kind = Kind::kString,
               .description = "Why, as a sentence for people.",
               .required = true,
               .max_length = 32768},
              {.name = "lastTransitionTime",
               .kind = Kind::kTime,
               .description = "When status last changed.",
               .required = true},
              {.name = "observedGeneration",
               .kind = Kind::kInteger,
               .description = "The metadata.generation that this condition was worked out from.",
               .minimum = 0},
          }};
}

Field make_status() {
  return {.name = "status",
          .kind = Kind::kObject,
          .description = "What the agent is, as the operator last saw it.",
          .fields = {
              {.name = "observedGeneration",
               .kind = Kind::kInteger,
               .description = "The metadata.generation that this status was worked out from.",
               .minimum = 0},
              text("phase",
                   "One word for people: Pending, Running, Suspended, Failed or Terminating. "
                   "Programs read conditions.",
                   32),
              {.name = "replicas",
               .kind = Kind::kInteger,
               .description = "Pods of the agent that exist: 0 or 1.",
               .minimum = 0},
              text("selector", "The label selector of the agent's pod, for the scale subresource.",
                   512),
              {.name = "conditions",
               .kind = Kind::kList,
               .description = "Ready: a request will be answered. StorageReady: the disk is bound. "
                              "Progressing: a change is "
                              "under way. Degraded: something needs a person.",
               .max_length = 16,
               .items = {condition()},
               .list_map_key = "type"},
              text("url", "Where the agent answers inside the cluster.", 512),
              {.name = "storage",
               .kind = Kind::kObject,
               .description = "The agent's disk.",
               .fields = {{.name = "capacity",
                           .kind = Kind::kQuantity,
                           .description = "The size that the disk really has."}}},
          }};
}

OrderedJson printer_columns() {
  const auto column = [](const char* name, const char* type, const char* path,
                         const char* description, int priority) {
    OrderedJson out = {
        {"name", name}, {"type", type}, {"jsonPath", path}, {"description", description}};
    if (priority > 0) out["priority"] = priority;
    return out;
  };
  return OrderedJson::array({
      column("Phase", "string", ".status.phase", "One word for people", 0),
      column("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status",
             "Whether a request will be answered", 0),
      column("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason",
             "Why it is ready or not", 0),
      column("URL", "string", ".status.url", "Where it answers inside the cluster", 1),
      column("Image", "string", ".spec.image", "The image asked for", 1),
      column("Storage", "string", ".status.storage.capacity", "Size of its disk", 1),
      column("Age", "date", ".metadata.creationTimestamp", "Time since it was created", 0),
  });
}

OrderedJson root_schema() {
  OrderedJson root;
  root["description"] =
      "A named, durable agent: the operator gives it a pod, a disk and an address, and its runtime "
      "answers requests and "
      "keeps what it remembers.";
  root["type"] = "object";
  root["x-kubernetes-validations"] = OrderedJson::array(
      {{{"rule", "self.metadata.name.matches('" + std::string(wire::kNamePattern) + "')"},
        {"message", "metadata.name must " + std::string(wire::kNameMust)}}});
  root["properties"] = {
      {"apiVersion", {{"description", "openagents.com/v1"}, {"type", "string"}}},
      {"kind", {{"description", "Agent"}, {"type", "string"}}},
      {"metadata", {{"type", "object"}}},
      {"spec", schema::to_openapi(agent_spec_schema())},
      {"status", schema::to_openapi(agent_status_schema())},
  };
  return root;
}

}  // namespace

const Field& agent_spec_schema() {
  static const Field field = make_spec();
  return field;
}

const Field& agent_status_schema() {
  static const Field field = make_status();
  return field;
}

OrderedJson agent_crd() {
  const std::string plural(wire::kPlural);
  OrderedJson version = {{"name", wire::kVersion},
                         {"served", true},
                         {"storage", true},
                         {"subresources",
                          {{"status", OrderedJson::object()},
                           {"scale",
                            {{"specReplicasPath", ".spec.replicas"},
                             {"statusReplicasPath", ".status.replicas"},
                             {"labelSelectorPath", ".status.selector"}}}}},
                         {"additionalPrinterColumns", printer_columns()},
                         {"schema", {{"openAPIV3Schema", root_schema()}}}};
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata", {{"name", plural + "." + std::string(wire::kGroup)}}},
          {"spec",
           {{"group", wire::kGroup},
            {"scope", "Namespaced"},
            {"names",
             {{"kind", wire::kKind},
              {"listKind", "AgentList"},
              {"plural", plural},
              {"singular", "agent"},
              {"shortNames", {"ag"}},
              {"categories", {"openagents"}}}},
            {"versions", OrderedJson::array({version})}}}};
}

}  // namespace oa
