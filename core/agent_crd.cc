#include <string>

#include "core/agent_schema.h"
#include "core/wire.h"

namespace oa {
namespace {

using schema::Field;
using schema::Kind;

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
