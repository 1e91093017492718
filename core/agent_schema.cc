#include "core/agent_schema.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

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

Field count(std::string name, std::string description, Json default_value, std::int64_t maximum) {
  return {.name = std::move(name),
          .kind = Kind::kInteger,
          .description = std::move(description),
          .default_value = std::move(default_value),
          .minimum = 1,
          .maximum = maximum};
}

Field duration(std::string name, std::string description, Json default_value, std::int64_t minimum,
               std::int64_t maximum) {
  return {.name = std::move(name),
          .kind = Kind::kDuration,
          .description = std::move(description),
          .default_value = std::move(default_value),
          .minimum = minimum,
          .maximum = maximum};
}

Field bytes(std::string name, std::string description, Json default_value, std::int64_t minimum) {
  return {.name = std::move(name),
          .kind = Kind::kQuantity,
          .description = std::move(description),
          .default_value = std::move(default_value),
          .minimum = minimum};
}

Field choice(std::string name, std::string description, Json default_value,
             std::vector<std::string> names) {
  return {.name = std::move(name),
          .kind = Kind::kString,
          .description = std::move(description),
          .default_value = std::move(default_value),
          .enumeration = std::move(names)};
}

Field inbox() {
  return {.name = "inbox",
          .kind = Kind::kObject,
          .description = "Messages, events and jobs that were accepted and wait for their tick.",
          .default_value = Json::object(),
          .fields = {
              count("capacity", "How many envelopes may wait. Default 1000; 1 to 100000.", 1000,
                    100'000),
              choice("overflow",
                     "What happens to an envelope that finds the inbox full: DeadLetter puts it "
                     "among the dead letters, DropOldest puts the one that waits longest there and "
                     "takes it in, RejectNew refuses it with RATE_LIMITED. Default DeadLetter.",
                     "DeadLetter", {"DeadLetter", "DropOldest", "RejectNew"}),
              choice("order",
                     "Strict: an envelope that waits for a retry holds back later ones of the same "
                     "source and sender. Relaxed: it holds back nothing. Default Strict.",
                     "Strict", {"Strict", "Relaxed"}),
          }};
}

constexpr const char* kFirstBackoff = "100ms";
constexpr const char* kMaxBackoff = "30s";

bool backoff_grows(const Json& retry) {
  const auto read = [&](const char* key, const char* otherwise) {
    const auto found = retry.find(key);
    const bool set = found != retry.end() && !found->is_null();
    return parse_duration(set ? found->get<std::string>() : otherwise).value();
  };
  return read("firstBackoff", kFirstBackoff) <= read("maxBackoff", kMaxBackoff);
}

// A default of its own for every field: the API server checks the rule against it as it stands.
Field retry() {
  const Json defaults = {{"maxAttempts", 6},
                         {"maxAge", "10m"},
                         {"firstBackoff", kFirstBackoff},
                         {"maxBackoff", kMaxBackoff}};
  return {
      .name = "retry",
      .kind = Kind::kObject,
      .description =
          "How often a failed message, alarm, event or job is tried again before it "
          "becomes a dead letter. A request is tried again until its caller's "
          "deadline.",
      .default_value = defaults,
      .fields =
          {
              count("maxAttempts", "Attempts, the first one counted. Default 6; 1 to 100.", 6, 100),
              duration("maxAge",
                       "How long after the first attempt another one may begin. Default 10m; "
                       "1s to 24h.",
                       "10m", kSecond, 24 * kHour),
              duration("firstBackoff",
                       "The pause before the second attempt; each further pause is twice as "
                       "long, with jitter. Default 100ms; 1ms to 1h.",
                       kFirstBackoff, 1, kHour),
              duration("maxBackoff", "The longest pause. Default 30s; 1ms to 24h.", kMaxBackoff, 1,
                       24 * kHour),
          },
      .rules = {{"duration(self.firstBackoff) <= duration(self.maxBackoff)",
                 "not have a firstBackoff longer than its maxBackoff", backoff_grows}}};
}

Field budget() {
  constexpr std::int64_t kMany = 1'000'000'000;
  return {.name = "budget",
          .kind = Kind::kObject,
          .description =
              "What the agent may use on one day (UTC). What would exceed it fails with "
              "LIMIT_EXCEEDED and changes nothing.",
          .fields = {
              count("ticksPerDay", "Ticks a day. Absent means unbounded; 1 to 1000000000.", nullptr,
                    kMany),
              bytes("bytesPerDay",
                    "Bytes that ticks write a day, such as 10Gi. Absent means unbounded; at least "
                    "1Ki.",
                    nullptr, 1024),
              count("iterationsPerDay",
                    "Model and tool rounds a day. Absent means unbounded; 1 to 1000000000.",
                    nullptr, kMany),
          }};
}

Field retention() {
  constexpr std::int64_t kTenYears = 10 * 365 * 24 * kHour;
  return {
      .name = "retention",
      .kind = Kind::kObject,
      .description = "How long records are kept. The oldest go first.",
      .default_value = Json::object(),
      .fields = {
          duration("auditAge", "How long the record of a tick is kept. Default 720h; 1s to 87600h.",
                   "720h", kSecond, kTenYears),
          bytes("auditBytes",
                "How many bytes the records of ticks may take together. Default 64Mi; at least "
                "64Ki.",
                "64Mi", 64 * 1024),
          duration("eventAge",
                   "How long an event is kept for clients that resume a stream. Default 24h; "
                   "1s to 87600h.",
                   "24h", kSecond, kTenYears),
          bytes("eventBytes",
                "How many bytes those events may take together. Default 16Mi; at least 64Ki.",
                "16Mi", 64 * 1024),
      }};
}

Field config() {
  return {
      .name = "config",
      .kind = Kind::kObject,
      .description = "Limits on the agent's work.",
      .default_value = Json::object(),
      .fields = {
          duration("maxTickDuration",
                   "How long one run of the handler may take, such as 30s or 5m. A tick that takes "
                   "longer fails and changes nothing. Default 30s; 100ms to 24h.",
                   "30s", 100, 24 * kHour),
          bytes("maxStorageBytes",
                "How many bytes of state and keys the agent may store, such as 1Gi. A tick that "
                "would exceed it fails with LIMIT_EXCEEDED and changes nothing. Default 1Gi; at "
                "least 64Ki.",
                "1Gi", 64 * 1024),
          count("maxIterations", "Model and tool rounds in one tick. Default 10; 1 to 1000.", 10,
                1000),
          inbox(),
          retry(),
          budget(),
          retention(),
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

Field resources(std::string description) {
  return {
      .name = "resources",
      .kind = Kind::kObject,
      .description = std::move(description),
      .fields = {quantities("requests",
                            "What the scheduler sets aside for it. Absent means what limits say."),
                 quantities("limits", "What it may use at most. Absent means no limit.")},
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

Field image(std::string description, bool required) {
  return {.name = "image",
          .kind = Kind::kString,
          .description = std::move(description),
          .required = required,
          .max_length = 512,
          .pattern = "^[a-zA-Z0-9][-a-zA-Z0-9._:/@]*$",
          .pattern_must = "be an image reference such as openagents/agent-runtime:latest"};
}

// A name that is also a part of URLs and envelope ids.
Field label(std::string name, std::string description) {
  return {.name = std::move(name),
          .kind = Kind::kString,
          .description = std::move(description),
          .required = true,
          .max_length = 63,
          .pattern = std::string(wire::kNamespacePattern),
          .pattern_must = std::string(wire::kNamespaceMust)};
}

Field secret_ref(std::string name, std::string description) {
  return {.name = std::move(name),
          .kind = Kind::kObject,
          .description = std::move(description),
          .required = true,
          .fields = {
              {.name = "name",
               .kind = Kind::kString,
               .description = "Name of the Secret.",
               .required = true,
               .max_length = 253,
               .pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
               .pattern_must = "be the name of a Secret: lower-case letters, digits, '-' and '.'"},
              {.name = "key",
               .kind = Kind::kString,
               .description = "Key in that Secret.",
               .required = true,
               .max_length = 253,
               .pattern = "^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$",
               .pattern_must = "be a key of a Secret: letters, digits, '-', '_' and '.', not "
                               "beginning with '..'"},
          }};
}

Field texts(std::string name, std::string description) {
  return {.name = std::move(name),
          .kind = Kind::kList,
          .description = std::move(description),
          .max_length = 64,
          .items = {{.kind = Kind::kString,
                     .description = "One word, of at most 4096 characters.",
                     .max_length = 4096}}};
}

bool given(const Json& object, const char* key) {
  return object.contains(key) && !object.at(key).is_null();
}

bool has_one_value(const Json& variable) {
  return !given(variable, "value") || !given(variable, "valueFrom");
}

Field environment() {
  return {
      .name = "env",
      .kind = Kind::kList,
      .description = "Environment of the container. At most 100 variables.",
      .max_length = 100,
      .items =
          {{.kind = Kind::kObject,
            .description = "One variable.",
            .fields = {{.name = "name",
                        .kind = Kind::kString,
                        .description = "Its name, of at most 253 characters.",
                        .required = true,
                        .max_length = 253,
                        .pattern = "^[-._a-zA-Z][-._a-zA-Z0-9]*$",
                        .pattern_must = "be the name of a variable: letters, digits, '_', '-' and "
                                        "'.', not beginning with a digit"},
                       {.name = "value",
                        .kind = Kind::kString,
                        .description = "Its value, of at most 4096 characters. Absent without "
                                       "valueFrom means empty.",
                        .max_length = 4096},
                       {.name = "valueFrom",
                        .kind = Kind::kObject,
                        .description = "Where its value is found.",
                        .fields = {secret_ref("secretKeyRef",
                                              "A value of a Secret in the agent's namespace.")}}},
            .rules = {{"!has(self.value) || !has(self.valueFrom)",
                       "not have both value and valueFrom", has_one_value}}}},
      .list_map_key = "name"};
}

// They share the network of one pod.
bool is_free_port(const Json& port) {
  static const std::set<std::int64_t> kTaken = {8079, 8080, 8081, 9090, 9464};
  return !kTaken.contains(port.get<std::int64_t>());
}

Field container_handler() {
  return {.name = "container",
          .kind = Kind::kObject,
          .description =
              "A container beside the runtime, in the same pod. The runtime posts each "
              "tick to http://127.0.0.1:{port}/tick.",
          .fields = {
              image("The container's image. At most 512 characters.", true),
              {.name = "port",
               .kind = Kind::kInteger,
               .description = "The TCP port that it listens on. Default 9000; 1 to 65535, but for "
                              "the runtime's own 8079, 8080, 8081, 9090 and 9464.",
               .default_value = 9000,
               .minimum = 1,
               .maximum = 65535,
               .rules = {{"!(self in [8079, 8080, 8081, 9090, 9464])",
                          "not be one of the runtime's own ports 8079, 8080, 8081, 9090 and 9464",
                          is_free_port}}},
              environment(),
              resources("CPU, memory and devices of the container, as in a pod."),
              texts("command", "Its entry point, at most 64 words. Absent means the image's."),
              texts("args", "Arguments of its entry point, at most 64. Absent means the image's."),
          }};
}

bool is_one_handler(const Json& handler) {
  return !given(handler, "container") || !given(handler, "http");
}

Field handler() {
  return {.name = "handler",
          .kind = Kind::kObject,
          .description =
              "The agent's logic: at most one of container and http. Absent means the "
              "built-in notebook, which remembers notes.",
          .fields = {container_handler(),
                     {.name = "http",
                      .kind = Kind::kObject,
                      .description = "A server elsewhere. The runtime posts each tick to its URL.",
                      .fields = {{.name = "url",
                                  .kind = Kind::kString,
                                  .description = "Where ticks are posted, such as "
                                                 "http://my-logic.default.svc/tick. At most 2048 "
                                                 "characters.",
                                  .required = true,
                                  .max_length = 2048,
                                  .pattern = "^https?://[^/?#@\\s]+([/?][^#\\s]*)?$",
                                  .pattern_must = "be an http or https URL such as "
                                                  "http://my-logic.default.svc/tick, without user "
                                                  "and fragment"}}}},
          .rules = {{"!has(self.container) || !has(self.http)", "not have both container and http",
                     is_one_handler}}};
}

constexpr std::size_t kMaxSchedulesBytes = 128 * 1024;

// The spec reaches the runtime as an annotation of the pod, and Kubernetes allows an object 256 KiB
// of annotations.
bool fits_an_annotation(const Json& schedules) {
  return dump(schedules).size() <= kMaxSchedulesBytes;
}

Field schedules() {
  return {.name = "schedules",
          .kind = Kind::kList,
          .description =
              "Times at which the agent runs by itself. At most 100, and 128Ki bytes as "
              "JSON together.",
          .max_length = 100,
          .items = {{.kind = Kind::kObject,
                     .description = "One schedule.",
                     .fields =
                         {
                             label("name", "Its name, of at most 63 characters."),
                             {.name = "cron",
                              .kind = Kind::kCron,
                              .description =
                                  "When it fires: minute, hour, day of month, month and day of "
                                  "week, such as 0 9 * * 1, or one of @hourly, @daily, @midnight, "
                                  "@weekly, @monthly, @yearly and @annually. At most 256 "
                                  "characters.",
                              .required = true,
                              .max_length = 256},
                             {.name = "timeZone",
                              .kind = Kind::kString,
                              .description = "The IANA time zone that the cron expression is read "
                                             "in, such as Europe/Stockholm. Default UTC; at most "
                                             "64 characters.",
                              .default_value = "UTC",
                              .max_length = 64,
                              .pattern = "^[A-Za-z][-+_A-Za-z0-9]*(/[A-Za-z0-9][-+_A-Za-z0-9]*)*$",
                              .pattern_must =
                                  "be the name of an IANA time zone such as Europe/Stockholm"},
                             {.name = "payload",
                              .kind = Kind::kAny,
                              .description = "What the tick is given: any JSON. Absent means null; "
                                             "at most 16Ki bytes.",
                              .max_length = 16 * 1024},
                             choice("missed",
                                    "What happens after times that passed while the agent could "
                                    "not run: FireOnce runs it once and says how many there were, "
                                    "FireAll once for each of the last 100, Skip not at all. "
                                    "Default FireOnce.",
                                    "FireOnce", {"FireOnce", "FireAll", "Skip"}),
                         }}},
          .list_map_key = "name",
          .rules = {{"", "take at most 128Ki bytes as JSON together", fits_an_annotation}}};
}

Field webhooks() {
  return {
      .name = "webhooks",
      .kind = Kind::kList,
      .description = "Who may post to /webhooks/{source}. At most 50.",
      .max_length = 50,
      .items = {{.kind = Kind::kObject,
                 .description = "One sender.",
                 .fields =
                     {
                         label("source", "Its name in the path, of at most 63 characters."),
                         {.name = "scheme",
                          .kind = Kind::kString,
                          .description = "How it signs: GitHub, Stripe, Slack, StandardWebhooks "
                                         "(standardwebhooks.com) or HmacSha256.",
                          .required = true,
                          .enumeration = {"GitHub", "Stripe", "Slack", "StandardWebhooks",
                                          "HmacSha256"}},
                         secret_ref("secretRef",
                                    "The shared secret that it signs with: a value of "
                                    "a Secret in the agent's namespace."),
                         duration("tolerance",
                                  "How far the signed time may be from now, where the scheme signs "
                                  "one. Default 5m; 1s to 24h.",
                                  "5m", kSecond, 24 * kHour),
                     }}},
      .list_map_key = "source"};
}

Field callbacks() {
  return {.name = "callbacks",
          .kind = Kind::kObject,
          .description = "The runtime's calls to the callback URLs of jobs.",
          .fields = {secret_ref("secretRef",
                                "The shared secret that they are signed with: a value of a Secret "
                                "in the agent's namespace.")}};
}

Field make_spec() {
  return {.name = "spec",
          .kind = Kind::kObject,
          .description = "What the agent should be.",
          .default_value = Json::object(),
          .fields = {
              image("The runtime's image, such as openagents/agent-runtime:latest. Absent means "
                    "the image that the operator was installed with. At most 512 characters.",
                    false),
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
              handler(),
              schedules(),
              webhooks(),
              callbacks(),
              lifecycle(),
              {.name = "route",
               .kind = Kind::kString,
               .description = "How requests reach the agent. Direct: the agent's Service leads "
                              "straight to its pod. Absent "
                              "means the operator's choice.",
               .enumeration = {"Direct"}},
              resources("CPU, memory and devices of the agent's container, as in a pod."),
              storage(),
          }};
}

}  // namespace

const Field& agent_spec_schema() {
  static const Field field = make_spec();
  return field;
}

}  // namespace oa
