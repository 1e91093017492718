#include "core/agent.h"

#include <cstdlib>
#include <initializer_list>
#include <regex>
#include <utility>

#include "core/agent_schema.h"
#include "core/text.h"
#include "core/wire.h"

namespace oa {
namespace {

using schema::Field;
using schema::Kind;

// Everything in a manifest but the spec, which has a table of its own. Metadata that only the API
// server writes is let through by `Unknown::kIgnore` in `check_metadata`.
const Field& text_map_schema() {
  static const Field field = {.kind = Kind::kMap,
                              .max_length = 256,
                              .items = {{.kind = Kind::kString, .max_length = 262144}}};
  return field;
}

void check_constant(const Json& manifest, const char* key, std::string_view wanted,
                    std::vector<FieldError>& errors) {
  const auto found = manifest.find(key);
  if (found == manifest.end()) {
    errors.push_back({key, "", "be " + std::string(wanted)});
  } else if (*found != Json(wanted)) {
    errors.push_back({key, shorten(dump(*found), 64), "be " + std::string(wanted)});
  }
}

void check_text(const std::string& path, const Json& value, std::string_view pattern,
                std::string_view must, std::vector<FieldError>& errors) {
  const bool good =
      value.is_string() && value.get_ref<const std::string&>().size() < 256 &&
      std::regex_match(value.get_ref<const std::string&>(), std::regex(std::string(pattern)));
  if (!good) errors.push_back({path, shorten(dump(value), 64), std::string(must)});
}

std::map<std::string, std::string> text_map(const Json& metadata, const char* key,
                                            std::vector<FieldError>& errors) {
  const auto found = metadata.find(key);
  if (found == metadata.end() || found->is_null()) return {};
  auto wrong = schema::validate(text_map_schema(), *found, std::string("metadata.") + key,
                                schema::Unknown::kRefuse);
  if (wrong.empty()) return found->get<std::map<std::string, std::string>>();
  errors.insert(errors.end(), wrong.begin(), wrong.end());
  return {};
}

void read_metadata(const Json& metadata, const std::optional<std::string>& expected_namespace,
                   Agent& agent, std::vector<FieldError>& errors) {
  const Json name = metadata.value("name", Json());
  if (name.is_null()) {
    errors.push_back({"metadata.name", "", "be set"});
  } else {
    check_text("metadata.name", name, wire::kNamePattern, wire::kNameMust, errors);
  }
  Json space = metadata.value("namespace", Json());
  if (space.is_null()) space = expected_namespace.value_or("default");
  check_text("metadata.namespace", space, wire::kNamespacePattern, wire::kNamespaceMust, errors);
  if (expected_namespace && space != Json(*expected_namespace)) {
    errors.push_back({"metadata.namespace", shorten(dump(space), 64), "be " + *expected_namespace});
  }
  agent.labels = text_map(metadata, "labels", errors);
  agent.annotations = text_map(metadata, "annotations", errors);
  if (errors.empty()) agent.id = {space.get<std::string>(), name.get<std::string>()};
}

std::string quantity_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Duration duration_at(const Json& object, const char* key) {
  return parse_duration(object.at(key).get<std::string>()).value();
}

std::int64_t bytes_at(const Json& object, const char* key) {
  return parse_quantity(quantity_text(object.at(key))).value();
}

// The enumerator whose wire name is written there; the tables name all that the schema lets pass.
template <typename Enum>
Enum enum_at(const Json& object, const char* key,
             std::initializer_list<std::pair<const char*, Enum>> names) {
  for (const auto& [name, value] : names) {
    if (object.at(key) == name) return value;
  }
  std::abort();
}

Quantities quantities(const Json& owner, const char* key) {
  Quantities out;
  const auto resources = owner.find("resources");
  if (resources == owner.end() || !resources->contains(key)) return out;
  for (const auto& [name, amount] : resources->at(key).items()) out[name] = quantity_text(amount);
  return out;
}

// The functions below read what is valid and holds its defaults.

InboxConfig read_inbox(const Json& inbox) {
  return {
      .capacity = inbox.at("capacity").get<std::int64_t>(),
      .overflow = enum_at<InboxOverflow>(inbox, "overflow",
                                         {{"DeadLetter", InboxOverflow::kDeadLetter},
                                          {"DropOldest", InboxOverflow::kDropOldest},
                                          {"RejectNew", InboxOverflow::kRejectNew}}),
      .order = enum_at<InboxOrder>(
          inbox, "order", {{"Strict", InboxOrder::kStrict}, {"Relaxed", InboxOrder::kRelaxed}})};
}

BudgetConfig read_budget(const Json& config) {
  BudgetConfig out;
  const auto budget = config.find("budget");
  if (budget == config.end()) return out;
  if (budget->contains("ticksPerDay"))
    out.ticks_per_day = budget->at("ticksPerDay").get<std::int64_t>();
  if (budget->contains("bytesPerDay")) out.bytes_per_day = bytes_at(*budget, "bytesPerDay");
  if (budget->contains("iterationsPerDay"))
    out.iterations_per_day = budget->at("iterationsPerDay").get<std::int64_t>();
  return out;
}

AgentConfig read_config(const Json& config) {
  const Json& retry = config.at("retry");
  const Json& retention = config.at("retention");
  return {.max_tick_duration = duration_at(config, "maxTickDuration"),
          .max_storage_bytes = bytes_at(config, "maxStorageBytes"),
          .max_iterations = config.at("maxIterations").get<int>(),
          .inbox = read_inbox(config.at("inbox")),
          .retry = {.max_attempts = retry.at("maxAttempts").get<int>(),
                    .max_age = duration_at(retry, "maxAge"),
                    .first_backoff = duration_at(retry, "firstBackoff"),
                    .max_backoff = duration_at(retry, "maxBackoff")},
          .budget = read_budget(config),
          .retention = {.audit_age = duration_at(retention, "auditAge"),
                        .audit_bytes = bytes_at(retention, "auditBytes"),
                        .event_age = duration_at(retention, "eventAge"),
                        .event_bytes = bytes_at(retention, "eventBytes")}};
}

std::vector<std::string> texts(const Json& owner, const char* key) {
  return owner.value(key, std::vector<std::string>());
}

SecretKeyRef read_secret(const Json& ref) {
  return {.name = ref.at("name").get<std::string>(), .key = ref.at("key").get<std::string>()};
}

HandlerSpec read_handler(const Json& spec) {
  const Json handler = spec.value("handler", Json::object());
  if (handler.contains("http"))
    return HttpHandler{.url = handler.at("http").at("url").get<std::string>()};
  if (!handler.contains("container")) return NotebookHandler{};
  const Json& container = handler.at("container");
  ContainerHandler out{.image = container.at("image").get<std::string>(),
                       .port = container.at("port").get<int>(),
                       .requests = quantities(container, "requests"),
                       .limits = quantities(container, "limits"),
                       .command = texts(container, "command"),
                       .args = texts(container, "args")};
  for (const Json& variable : container.value("env", Json::array())) {
    EnvVariable& read = out.env.emplace_back();
    read.name = variable.at("name").get<std::string>();
    if (variable.contains("valueFrom")) {
      read.value = read_secret(variable.at("valueFrom").at("secretKeyRef"));
    } else {
      read.value = variable.value("value", "");
    }
  }
  return out;
}

Schedule read_schedule(const Json& schedule) {
  return {.name = schedule.at("name").get<std::string>(),
          .cron = schedule.at("cron").get<std::string>(),
          .time_zone = schedule.at("timeZone").get<std::string>(),
          .payload = schedule.value("payload", Json()),
          .missed = enum_at<MissedPolicy>(schedule, "missed",
                                          {{"FireOnce", MissedPolicy::kFireOnce},
                                           {"FireAll", MissedPolicy::kFireAll},
                                           {"Skip", MissedPolicy::kSkip}})};
}

WebhookSource read_webhook(const Json& webhook) {
  return {.source = webhook.at("source").get<std::string>(),
          .scheme = enum_at<WebhookScheme>(webhook, "scheme",
                                           {{"GitHub", WebhookScheme::kGitHub},
                                            {"Stripe", WebhookScheme::kStripe},
                                            {"Slack", WebhookScheme::kSlack},
                                            {"StandardWebhooks", WebhookScheme::kStandardWebhooks},
                                            {"HmacSha256", WebhookScheme::kHmacSha256}}),
          .secret = read_secret(webhook.at("secretRef")),
          .tolerance = duration_at(webhook, "tolerance")};
}

AgentSpec read_spec(const Json& spec) {
  const Json& storage = spec.at("storage");
  AgentSpec out;
  if (spec.contains("image")) out.image = spec.at("image").get<std::string>();
  out.image_pull_policy = spec.at("imagePullPolicy").get<std::string>();
  out.replicas = spec.at("replicas").get<int>();
  out.config = read_config(spec.at("config"));
  out.handler = read_handler(spec);
  out.drain_timeout = duration_at(spec.at("lifecycle"), "drainTimeout");
  for (const Json& schedule : spec.value("schedules", Json::array()))
    out.schedules.push_back(read_schedule(schedule));
  for (const Json& webhook : spec.value("webhooks", Json::array()))
    out.webhooks.push_back(read_webhook(webhook));
  if (spec.contains("callbacks"))
    out.callback_secret = read_secret(spec.at("callbacks").at("secretRef"));
  out.requests = quantities(spec, "requests");
  out.limits = quantities(spec, "limits");
  out.storage.size = quantity_text(storage.at("size"));
  if (storage.contains("storageClass"))
    out.storage.storage_class = storage.at("storageClass").get<std::string>();
  out.storage.access_mode = storage.at("accessMode").get<std::string>();
  out.storage.delete_with_agent = storage.at("whenDeleted") == "Delete";
  return out;
}

}  // namespace

std::string to_string(const AgentId& id) { return id.namespace_name + "/" + id.name; }

Result<AgentId> make_agent_id(std::string namespace_name, std::string name) {
  std::vector<FieldError> errors;
  check_text("namespace", namespace_name, wire::kNamespacePattern, wire::kNamespaceMust, errors);
  check_text("name", name, wire::kNamePattern, wire::kNameMust, errors);
  if (!errors.empty()) return invalid_fields(std::move(errors));
  return AgentId{std::move(namespace_name), std::move(name)};
}

AgentSpec default_spec() { return parse_spec(Json::object(), schema::Unknown::kRefuse).value(); }

Result<AgentSpec> parse_spec(const Json& spec, schema::Unknown unknown) {
  auto errors = schema::validate(agent_spec_schema(), spec, "spec", unknown);
  if (!errors.empty()) return invalid_fields(std::move(errors));
  return read_spec(schema::with_defaults(agent_spec_schema(), spec));
}

Result<Agent> parse_agent(const Json& manifest,
                          const std::optional<std::string>& expected_namespace) {
  if (!manifest.is_object())
    return make_error(Code::kInvalidRequest, "the manifest must be an object");
  std::vector<FieldError> errors;
  check_constant(manifest, "apiVersion", wire::kApiVersion, errors);
  check_constant(manifest, "kind", wire::kKind, errors);
  for (const auto& [key, unused] : manifest.items()) {
    if (key != "apiVersion" && key != "kind" && key != "metadata" && key != "spec" &&
        key != "status") {
      errors.push_back({shorten(key, 64), "", "not be set: there is no such field"});
    }
  }
  Agent agent;
  const Json metadata = manifest.value("metadata", Json::object());
  if (metadata.is_object()) {
    read_metadata(metadata, expected_namespace, agent, errors);
  } else {
    errors.push_back({"metadata", shorten(dump(metadata), 64), "be an object"});
  }
  Json spec = manifest.value("spec", Json());
  if (spec.is_null()) spec = Json::object();
  auto wrong = schema::validate(agent_spec_schema(), spec, "spec", schema::Unknown::kRefuse);
  errors.insert(errors.end(), wrong.begin(), wrong.end());
  if (!errors.empty()) return invalid_fields(std::move(errors));
  agent.spec_json = schema::with_defaults(agent_spec_schema(), std::move(spec));
  agent.spec = read_spec(agent.spec_json);
  return agent;
}

OrderedJson to_manifest(const Agent& agent) {
  OrderedJson metadata = {{"namespace", agent.id.namespace_name}, {"name", agent.id.name}};
  if (!agent.labels.empty()) metadata["labels"] = agent.labels;
  if (!agent.annotations.empty()) metadata["annotations"] = agent.annotations;
  return {{"apiVersion", wire::kApiVersion},
          {"kind", wire::kKind},
          {"metadata", metadata},
          {"spec", OrderedJson::parse(dump(agent.spec_json))}};
}

}  // namespace oa
