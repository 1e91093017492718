#include "core/agent_json.h"

#include <string>

#include <gtest/gtest.h>

namespace oa {
namespace {

AgentSpec parsed(const std::string& text) {
  return parse_spec(parse_yaml("spec: " + text)->at("spec"), schema::Unknown::kRefuse).value();
}

AgentSpec handed_on(const AgentSpec& spec) {
  return parse_spec(runtime_spec(spec), schema::Unknown::kRefuse).value();
}

TEST(RuntimeSpec, of_a_plain_agent_holds_what_was_always_there) {
  EXPECT_EQ(runtime_spec(default_spec()).dump(),
            R"({"config":{"maxStorageBytes":1073741824,"maxTickDuration":"30s"},)"
            R"("lifecycle":{"drainTimeout":"30s"}})");
}

TEST(RuntimeSpec, is_read_as_what_it_was_made_of) {
  for (const char* text :
       {"{}", "{config: {maxIterations: 3}, lifecycle: {drainTimeout: 1m}}",
        "{config: {inbox: {capacity: 7, overflow: DropOldest, order: Relaxed}}}",
        "{config: {inbox: {overflow: RejectNew}, retry: {maxAttempts: 2, firstBackoff: 1s}}}",
        "{config: {budget: {ticksPerDay: 5, bytesPerDay: 1Gi, iterationsPerDay: 6}}}",
        "{config: {retention: {auditAge: 1h, auditBytes: 1Mi, eventAge: 1m, eventBytes: 128Ki}}}",
        "{schedules: [{name: a, cron: '@daily', missed: Skip, payload: {x: [1, null]}},"
        " {name: b, cron: 0 9 * * mon, timeZone: Europe/Stockholm, missed: FireAll}]}",
        "{webhooks: [{source: a, scheme: GitHub, secretRef: {name: s, key: k}},"
        " {source: b, scheme: Stripe, secretRef: {name: s, key: k}, tolerance: 10s},"
        " {source: c, scheme: Slack, secretRef: {name: s, key: k}},"
        " {source: d, scheme: StandardWebhooks, secretRef: {name: s, key: k}},"
        " {source: e, scheme: HmacSha256, secretRef: {name: s, key: k}}]}",
        "{callbacks: {secretRef: {name: s, key: k}}}", "{handler: {http: {url: 'http://x/tick'}}}",
        "{handler: {container: {image: a/b, port: 9001}}}"}) {
    const AgentSpec spec = parsed(text);
    EXPECT_EQ(handed_on(spec), spec) << text;
  }
}

TEST(RuntimeSpec, says_of_a_container_only_where_it_listens) {
  const AgentSpec spec = parsed(
      "{handler: {container: {image: a/b, env: [{name: A, value: x}], args: [y],"
      " resources: {limits: {cpu: 1}}}}}");
  EXPECT_EQ(handed_on(spec).handler, HandlerSpec(ContainerHandler{.image = "a/b", .port = 9000}));
}

TEST(RuntimeSpec, leaves_out_what_the_pod_itself_is_made_of) {
  const AgentSpec spec =
      parsed("{image: a/b, replicas: 0, resources: {limits: {cpu: 1}}, storage: {size: 2Gi}}");
  EXPECT_EQ(handed_on(spec), default_spec());
}

}  // namespace
}  // namespace oa
