#include "core/agent.h"

#include <gtest/gtest.h>

namespace oa {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSeedManifest = R"(apiVersion: openagents.com/v1
kind: Agent
metadata:
  name: my-agent
spec:
  image: openagents/agent-runtime:latest
  config:
    maxTickDuration: 30s
    maxStorageBytes: 1Gi
  resources:
    requests:
      memory: "256Mi"
      cpu: "100m"
    limits:
      memory: "1Gi"
      cpu: "1000m"
  storage:
    size: 10Gi
    storageClass: fast-ssd
)";

Result<Agent> parse(std::string_view text) {
  const auto json = parse_yaml(text);
  if (!json) return json.error();
  return parse_agent(*json);
}

std::string manifest_with(std::string_view spec) {
  return "apiVersion: openagents.com/v1\nkind: Agent\nmetadata: {name: a}\nspec: " +
         std::string(spec);
}

TEST(Agent, reads_the_first_manifest_that_users_see) {
  const auto agent = parse(kSeedManifest);
  ASSERT_TRUE(agent) << to_string(agent.error());
  EXPECT_EQ(to_string(agent->id), "default/my-agent");
  EXPECT_EQ(agent->spec.image, "openagents/agent-runtime:latest");
  EXPECT_EQ(agent->spec.config.max_tick_duration, 30s);
  EXPECT_EQ(agent->spec.config.max_storage_bytes, 1LL << 30);
  EXPECT_EQ(agent->spec.requests, (Quantities{{"cpu", "100m"}, {"memory", "256Mi"}}));
  EXPECT_EQ(agent->spec.limits, (Quantities{{"cpu", "1000m"}, {"memory", "1Gi"}}));
  EXPECT_EQ(agent->spec.storage.size, "10Gi");
  EXPECT_EQ(agent->spec.storage.storage_class, "fast-ssd");
}

TEST(Agent, has_a_default_for_everything_but_its_name) {
  const auto agent = parse("apiVersion: openagents.com/v1\nkind: Agent\nmetadata: {name: a}\n");
  ASSERT_TRUE(agent) << to_string(agent.error());
  EXPECT_EQ(agent->spec, default_spec());
  EXPECT_EQ(agent->spec.replicas, 1);
  EXPECT_EQ(agent->spec.config.max_tick_duration, 30s);
  EXPECT_EQ(agent->spec.drain_timeout, 30s);
  EXPECT_EQ(agent->spec.image_pull_policy, "IfNotPresent");
  EXPECT_EQ(agent->spec.storage, (AgentStorage{"1Gi", std::nullopt, "ReadWriteOncePod", false}));
  EXPECT_EQ(agent->spec.image, std::nullopt);
}

TEST(Agent, bounds_its_work_by_default) {
  const AgentConfig config = default_spec().config;
  EXPECT_EQ(config.max_iterations, 10);
  EXPECT_EQ(config.inbox, (InboxConfig{1000, InboxOverflow::kDeadLetter, InboxOrder::kStrict}));
  EXPECT_EQ(config.retry, (RetryConfig{6, 10min, 100ms, 30s}));
  EXPECT_EQ(config.budget, BudgetConfig());
  EXPECT_EQ(config.retention, (RetentionConfig{720h, 64LL << 20, 24h, 16LL << 20}));
}

TEST(Agent, reads_handlers_schedules_webhooks_and_callbacks) {
  const auto agent = parse(manifest_with(R"({
    handler: {container: {image: acme/logic:1, env: [{name: A, value: x}, {name: B},
      {name: C, valueFrom: {secretKeyRef: {name: keys, key: api.key}}}],
      resources: {limits: {memory: 64Mi}}, command: [run], args: [-v]}},
    schedules: [{name: weekly, cron: "0 9 * * 1", timeZone: Europe/Stockholm, payload: {a: [1]}},
                {name: hourly, cron: "@hourly", missed: Skip}],
    webhooks: [{source: github, scheme: GitHub, secretRef: {name: keys, key: hook}}],
    callbacks: {secretRef: {name: keys, key: callback}}})"));
  ASSERT_TRUE(agent) << to_string(agent.error());
  const AgentSpec& spec = agent->spec;
  EXPECT_EQ(spec.handler,
            HandlerSpec(ContainerHandler{
                .image = "acme/logic:1",
                .port = 9000,
                .env = {{"A", "x"}, {"B", ""}, {"C", SecretKeyRef{"keys", "api.key"}}},
                .limits = {{"memory", "64Mi"}},
                .command = {"run"},
                .args = {"-v"}}));
  EXPECT_EQ(spec.schedules, (std::vector<Schedule>{
                                {"weekly", "0 9 * * 1", "Europe/Stockholm",
                                 Json::object({{"a", Json::array({1})}}), MissedPolicy::kFireOnce},
                                {"hourly", "@hourly", "UTC", Json(), MissedPolicy::kSkip}}));
  EXPECT_EQ(
      spec.webhooks,
      (std::vector<WebhookSource>{{"github", WebhookScheme::kGitHub, {"keys", "hook"}, 5min}}));
  EXPECT_EQ(spec.callback_secret, (SecretKeyRef{"keys", "callback"}));
}

TEST(Agent, has_the_notebook_unless_it_says_otherwise) {
  EXPECT_EQ(default_spec().handler, HandlerSpec(NotebookHandler{}));
  EXPECT_EQ(parse(manifest_with("{handler: {}}"))->spec.handler, HandlerSpec(NotebookHandler{}));
  EXPECT_EQ(parse(manifest_with("{handler: {http: {url: 'https://x:1/t?a=b'}}}"))->spec.handler,
            HandlerSpec(HttpHandler{"https://x:1/t?a=b"}));
}

TEST(Agent, written_back_reads_as_the_same_agent) {
  const auto agent = parse(kSeedManifest);
  ASSERT_TRUE(agent);
  const auto again = parse_agent(Json::parse(to_manifest(*agent).dump()));
  ASSERT_TRUE(again) << to_string(again.error());
  EXPECT_EQ(again->spec, agent->spec);
  EXPECT_EQ(again->spec_json, agent->spec_json);
}

TEST(Agent, refuses_wrong_input_with_path_value_and_rule) {
  struct Row {
    std::string spec;
    std::string message;
  };
  const Row rows[] = {
      {"{storage: {size: 1x}}",
       "spec.storage.size is \"1x\" but must be a quantity such as 500Mi or 10Gi"},
      {"{storage: {size: -1}}",
       "spec.storage.size is -1 but must be a quantity such as 500Mi or 10Gi"},
      {"{storage: {size: 1Mi}}", "spec.storage.size is \"1Mi\" but must be at least 128Mi"},
      {"{storage: {storageClass: Fast_SSD}}",
       "spec.storage.storageClass is \"Fast_SSD\" but must be the name of a"},
      {"{storage: {whenDeleted: Maybe}}",
       "spec.storage.whenDeleted is \"Maybe\" but must be one of Retain, Delete"},
      {"{config: {maxTickDuration: 30}}",
       "spec.config.maxTickDuration is 30 but must be a duration such as 30s"},
      {"{config: {maxTickDuration: 3d}}",
       "spec.config.maxTickDuration is \"3d\" but must be a duration such as 30s"},
      {"{config: {maxTickDuration: 48h}}",
       "must be a duration such as 30s, 5m or 1h30m between 100ms and 24h"},
      {"{config: {maxStorageBytes: 1.5}}",
       "spec.config.maxStorageBytes is 1.5 but must be a quantity"},
      {"{config: 3}", "spec.config is 3 but must be an object"},
      {"{replicas: 2}", "spec.replicas is 2 but must be between 0 and 1"},
      {"{replicas: 9223372036854775807}", "must be between 0 and 1"},
      {"{replicas: \"1\"}", "spec.replicas is \"1\" but must be a whole number"},
      {"{route: Gateway}", "spec.route is \"Gateway\" but must be one of Direct"},
      {"{imge: x}", "spec.imge must not be set: there is no such field"},
      {"{image: \"a b\"}", "spec.image is \"a b\" but must be an image reference such as"},
      {"{image: \"" + std::string(513, 'x') + "\"}", "must be at most 512 characters long"},
      {"{resources: {requests: {cpu: 2}, limits: {cpu: 1500m}}}",
       "must not request more of a resource than its limit"},
      {"{resources: {requests: {memory: lots}}}",
       "spec.resources.requests.memory is \"lots\" but must be a quantity"},
      {"[]", "spec is [] but must be an object"},
      {"{config: {maxIterations: 1001}}", "must be between 1 and 1000"},
      {"{config: {inbox: {capacity: 0}}}", "must be between 1 and 100000"},
      {"{config: {inbox: {overflow: Forget}}}", "must be one of DeadLetter, DropOldest, RejectNew"},
      {"{config: {retry: {firstBackoff: 1m}}}",
       "must not have a firstBackoff longer than its maxBackoff"},
      {"{config: {retry: {maxAge: 48h}}}", "between 1s and 24h"},
      {"{config: {budget: {bytesPerDay: 1}}}", "must be at least 1Ki"},
      {"{config: {retention: {eventBytes: 1Ki}}}", "must be at least 64Ki"},
      {"{handler: {container: {image: a}, http: {url: 'http://x'}}}",
       "must not have both container and http"},
      {"{handler: {wasm: {}}}", "spec.handler.wasm must not be set: there is no such field"},
      {"{handler: {container: {}}}", "spec.handler.container.image must be set"},
      {"{handler: {container: {image: a, port: 8080}}}",
       "must not be one of the runtime's own ports"},
      {"{handler: {container: {image: a, env: [{name: A}, {name: B}, {name: A}]}}}",
       "env[2].name is \"A\" but must differ from that of every other item"},
      {"{handler: {container: {image: a, env: [{name: A, value: '', valueFrom: "
       "{secretKeyRef: {name: s, key: k}}}]}}}",
       "must not have both value and valueFrom"},
      {"{handler: {http: {url: 'ftp://x'}}}", "must be an http or https URL"},
      {"{handler: {http: {url: 'http://user:secret@x'}}}", "without user and fragment"},
      {"{schedules: [{name: a}]}", "spec.schedules[0].cron must be set"},
      {"{schedules: [{name: a, cron: '61 * * * *'}]}",
       "such as @hourly: the minute \"61\" must be between 0 and 59"},
      {"{schedules: [{name: a, cron: '@daily'}, {name: a, cron: '@daily'}]}",
       "spec.schedules[1].name is \"a\" but must differ"},
      {"{schedules: [{name: a, cron: '@daily', timeZone: '../x'}]}",
       "must be the name of an IANA time zone"},
      {"{schedules: [{name: a, cron: '@daily', payload: " + std::string(17000, 'x') + "}]}",
       "must take at most 16Ki bytes as JSON"},
      {"{webhooks: [{source: a, scheme: Trust, secretRef: {name: s, key: k}}]}",
       "must be one of GitHub, Stripe, Slack, StandardWebhooks, HmacSha256"},
      {"{webhooks: [{source: a, scheme: GitHub, secretRef: {name: s, key: '..'}}]}",
       "must be a key of a Secret"},
      {"{webhooks: [{source: a, scheme: GitHub, secretRef: {name: ../s, key: k}}]}",
       "must be the name of a Secret"},
      {"{callbacks: {}}", "spec.callbacks.secretRef must be set"},
  };
  for (const Row& row : rows) {
    const auto agent = parse(manifest_with(row.spec));
    ASSERT_FALSE(agent) << row.spec;
    EXPECT_EQ(agent.error().code, Code::kInvalidRequest);
    EXPECT_NE(agent.error().detail.find(row.message), std::string::npos) << agent.error().detail;
  }
}

TEST(Agent, schedules_fit_an_annotation_together) {
  Json schedules = Json::array();
  for (int i = 0; i < 10; ++i) {
    schedules.push_back({{"name", "s" + std::to_string(i)},
                         {"cron", "@daily"},
                         {"payload", std::string(16'000, 'x')}});
  }
  const auto read = parse_spec({{"schedules", schedules}}, schema::Unknown::kRefuse);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().fields.at(0).must, "take at most 128Ki bytes as JSON together");
}

TEST(Agent, names_every_wrong_field_at_once) {
  const auto agent =
      parse("kind: Pod\nmetadata: {name: A, namespace: B}\nspec: {replicas: 7}\nfoo: 1");
  ASSERT_FALSE(agent);
  std::vector<std::string> paths;
  for (const FieldError& field : agent.error().fields) paths.push_back(field.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"apiVersion", "kind", "foo", "metadata.name",
                                             "metadata.namespace", "spec.replicas"}));
}

TEST(Agent, names_are_those_that_fit_a_statefulset_and_a_service) {
  EXPECT_TRUE(make_agent_id("default", "a"));
  EXPECT_TRUE(make_agent_id("default", "a" + std::string(50, '-') + "9"));
  for (const std::string& name :
       {std::string(), std::string("9a"), std::string("a-"), std::string("A"), std::string("a.b"),
        "a" + std::string(52, 'b'), std::string("a/b"), std::string("a\n")}) {
    EXPECT_FALSE(make_agent_id("default", name)) << name;
  }
  EXPECT_FALSE(make_agent_id("kube_system", "a"));
}

TEST(Agent, keeps_to_the_namespace_that_the_caller_expects) {
  const Json manifest =
      *parse_yaml("apiVersion: openagents.com/v1\nkind: Agent\nmetadata: {name: a, namespace: x}");
  EXPECT_TRUE(parse_agent(manifest, "x"));
  const auto other = parse_agent(manifest, "y");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().detail, "metadata.namespace is \"x\" but must be y");
}

TEST(Agent, a_spec_of_a_newer_writer_is_read_without_its_unknown_fields) {
  const Json spec = {{"dreams", true}, {"config", {{"maxTickDuration", "5s"}, {"new", 1}}}};
  EXPECT_FALSE(parse_spec(spec, schema::Unknown::kRefuse));
  const auto read = parse_spec(spec, schema::Unknown::kIgnore);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->config.max_tick_duration, 5s);
}

TEST(Agent, accepts_what_kubectl_prints) {
  const auto agent = parse(R"(
apiVersion: openagents.com/v1
kind: Agent
metadata:
  name: a
  namespace: default
  uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427
  resourceVersion: "17"
  creationTimestamp: "2026-11-21T08:00:00Z"
  generation: 2
spec: {}
status: {phase: Running}
)");
  EXPECT_TRUE(agent) << to_string(agent.error());
}

}  // namespace
}  // namespace oa
