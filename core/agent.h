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
#include <variant>
#include <vector>

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

// What becomes of an envelope that finds the inbox full.
enum class InboxOverflow {
  kDeadLetter,  // the new one goes to the dead letters
  kDropOldest,  // the oldest that waits goes to the dead letters, the new one is taken in
  kRejectNew,   // the new one is refused and never acknowledged
};

enum class InboxOrder {
  kStrict,   // an envelope that waits for its retry holds back its (source, sender)
  kRelaxed,  // it holds back nothing
};

struct InboxConfig {
  std::int64_t capacity = 0;  // envelopes that wait
  InboxOverflow overflow = InboxOverflow::kDeadLetter;
  InboxOrder order = InboxOrder::kStrict;

  bool operator==(const InboxConfig&) const = default;
};

// Of messages, alarms, events and jobs; a request is retried until its caller's deadline.
struct RetryConfig {
  int max_attempts = 0;      // the first one counts
  Duration max_age{};        // from the first attempt; then the dead letters
  Duration first_backoff{};  // at most `max_backoff`
  Duration max_backoff{};

  bool operator==(const RetryConfig&) const = default;
};

// What one UTC day may use; absent: unbounded.
struct BudgetConfig {
  std::optional<std::int64_t> ticks_per_day;
  std::optional<std::int64_t> bytes_per_day;  // written by ticks
  std::optional<std::int64_t> iterations_per_day;

  bool operator==(const BudgetConfig&) const = default;
};

// How long, and up to how many bytes, records of ticks and events for resuming are kept.
struct RetentionConfig {
  Duration audit_age{};
  std::int64_t audit_bytes = 0;
  Duration event_age{};
  std::int64_t event_bytes = 0;

  bool operator==(const RetentionConfig&) const = default;
};

struct AgentConfig {
  Duration max_tick_duration{};
  std::int64_t max_storage_bytes = 0;
  int max_iterations = 0;  // model and tool rounds in one tick
  InboxConfig inbox;
  RetryConfig retry;
  BudgetConfig budget;
  RetentionConfig retention;

  bool operator==(const AgentConfig&) const = default;
};

// What becomes of the times of a schedule that passed while nothing could run.
enum class MissedPolicy {
  kFireOnce,  // one tick, which is told how many there were
  kFireAll,   // one tick each
  kSkip,
};

struct Schedule {
  std::string name;       // unique in its agent
  std::string cron;       // passes core/cron.h's parse_cron
  std::string time_zone;  // of the IANA database; whether it exists is not checked here
  Json payload;           // null: none was given
  MissedPolicy missed = MissedPolicy::kFireOnce;

  bool operator==(const Schedule&) const = default;
};

// One value of a Secret of the agent's namespace. The runtime reads it from the file
// `<secrets directory>/<name>/<key>`; neither part can lead out of that directory.
struct SecretKeyRef {
  std::string name;
  std::string key;

  bool operator==(const SecretKeyRef&) const = default;
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

struct EnvVariable {
  std::string name;
  std::variant<std::string, SecretKeyRef> value;

  bool operator==(const EnvVariable&) const = default;
};

// The handler that is part of the runtime and needs no configuration.
struct NotebookHandler {
  bool operator==(const NotebookHandler&) const = default;
};

// A container beside the runtime, in the same pod; in the daemon, a process that listens already.
struct ContainerHandler {
  std::string image;
  int port = 0;  // on 127.0.0.1
  std::vector<EnvVariable> env;
  Quantities requests;
  Quantities limits;
  std::vector<std::string> command;  // empty: the image's
  std::vector<std::string> args;     // empty: the image's

  bool operator==(const ContainerHandler&) const = default;
};

struct HttpHandler {
  std::string url;

  bool operator==(const HttpHandler&) const = default;
};

using HandlerSpec = std::variant<NotebookHandler, ContainerHandler, HttpHandler>;

// How a sender of webhooks signs them.
enum class WebhookScheme { kGitHub, kStripe, kSlack, kStandardWebhooks, kHmacSha256 };

struct WebhookSource {
  std::string source;  // unique in its agent: POST /webhooks/{source}
  WebhookScheme scheme = WebhookScheme::kHmacSha256;
  SecretKeyRef secret;
  Duration tolerance{};  // how old or early a signed time may be

  bool operator==(const WebhookSource&) const = default;
};

// A checked spec with its defaults filled in; there is no half-valid one.
struct AgentSpec {
  std::optional<std::string> image;  // absent: the operator's default
  std::string image_pull_policy;
  int replicas = 1;  // 0: suspended by the user
  AgentConfig config;
  HandlerSpec handler;
  Duration drain_timeout{};
  std::vector<Schedule> schedules;
  std::vector<WebhookSource> webhooks;
  std::optional<SecretKeyRef> callback_secret;  // signs the callbacks of jobs; absent: unsigned
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
