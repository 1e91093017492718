// The Agent as values: what a manifest says (`Agent`, `AgentSpec`), read from YAML or JSON by the
// table in core/agent_schema.h, and written back.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "core/schema.h"

namespace oa {

// Which agent: the pair that names it everywhere.
struct AgentId {
  std::string namespace_name;
  std::string name;

  auto operator<=>(const AgentId&) const = default;
};

// "default/my-agent"
std::string to_string(const AgentId& id);

// Checks both parts against the patterns of core/wire.h.
Result<AgentId> make_agent_id(std::string namespace_name, std::string name);

struct AgentConfig {
  Duration max_tick_duration{};
  std::int64_t max_storage_bytes = 0;

  bool operator==(const AgentConfig&) const = default;
};

// Amounts by resource name ("cpu", "memory", "nvidia.com/gpu"), as written.
using Quantities = std::map<std::string, std::string>;

struct AgentStorage {
  std::string size;
  std::optional<std::string> storage_class;  // absent: the cluster's default
  std::string access_mode;                   // ReadWriteOncePod | ReadWriteOnce
  bool delete_with_agent = false;            // whenDeleted: Delete

  bool operator==(const AgentStorage&) const = default;
};

// A checked spec with its defaults filled in; there is no half-valid one.
struct AgentSpec {
  std::optional<std::string> image;  // absent: the operator's default
  std::string image_pull_policy;
  int replicas = 1;  // 0: suspended by the user
  AgentConfig config;
  Duration drain_timeout{};
  Quantities requests;
  Quantities limits;
  AgentStorage storage;

  bool operator==(const AgentSpec&) const = default;
};

struct Agent {
  AgentId id;
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> annotations;
  AgentSpec spec;
  Json spec_json;  // the spec as it was given, with defaults: what is stored and shown again
};

// A spec with everything at its default.
AgentSpec default_spec();

// `{}` is a valid spec. Paths in errors begin with "spec".
Result<AgentSpec> parse_spec(const Json& spec, schema::Unknown unknown);

// A manifest as a user sends it. Refuses another apiVersion or kind, unknown fields, and a
// namespace that is not `expected_namespace` if one is given; an absent namespace is
// `expected_namespace` or "default". `status`, and what the API server puts into metadata (uid,
// resourceVersion, ...), is accepted and ignored, so that what `kubectl get -o yaml` prints can be
// applied again.
Result<Agent> parse_agent(const Json& manifest,
                          const std::optional<std::string>& expected_namespace = std::nullopt);

// The manifest of an agent, in the usual order of keys.
OrderedJson to_manifest(const Agent& agent);

}  // namespace oa
