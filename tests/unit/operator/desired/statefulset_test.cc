#include "operator/desired/statefulset.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/agent_objects.h"
#include "tests/support/golden.h"

namespace oa::op {
namespace {

constexpr const char* kSeedSpec = R"({
  image: "openagents/agent-runtime:latest",
  config: {maxTickDuration: 30s, maxStorageBytes: 1Gi},
  resources: {requests: {memory: 256Mi, cpu: 100m}, limits: {memory: 1Gi, cpu: 1000m}},
  storage: {size: 10Gi, storageClass: fast-ssd}})";

Json built(const std::string& spec, int replicas = 1, const Platform& platform = test::kPlatform) {
  const kube::Object agent = test::agent_object(spec);
  return build_statefulset(agent, test::spec_of(agent), replicas, platform);
}

std::string revision(const std::string& spec) {
  return revision_of(test::spec_of(test::agent_object(spec)));
}

TEST(StatefulSetBuilder, makes_the_object_that_is_checked_in) {
  test::expect_golden("operator/statefulset.json", built(kSeedSpec).dump(2) + "\n");
}

constexpr const char* kHandlerSpec = R"({
  imagePullPolicy: Always,
  handler: {container: {image: 'acme/my-logic:1', port: 9000,
    env: [{name: MODE, value: fast}, {name: EMPTY},
          {name: TOKEN, valueFrom: {secretKeyRef: {name: acme, key: token}}}],
    resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}},
    command: [/logic], args: [--serve]}},
  webhooks: [{source: gh, scheme: GitHub, secretRef: {name: hooks, key: github}},
             {source: st, scheme: Stripe, secretRef: {name: hooks, key: stripe}},
             {source: sl, scheme: Slack, secretRef: {name: chat, key: slack}}],
  callbacks: {secretRef: {name: hooks, key: github}}})";

TEST(StatefulSetBuilder, makes_the_object_with_a_handler_and_secrets_that_is_checked_in) {
  test::expect_golden("operator/statefulset_handler.json", built(kHandlerSpec).dump(2) + "\n");
}

TEST(StatefulSetBuilder, shares_neither_the_disk_nor_the_secrets_with_the_handler) {
  const Json pod = built(kHandlerSpec)["spec"]["template"]["spec"];
  ASSERT_EQ(pod["containers"].size(), 2u);
  EXPECT_FALSE(pod["containers"][1].contains("volumeMounts"));
  EXPECT_EQ(pod["containers"][1]["securityContext"], pod["containers"][0]["securityContext"]);
  // Whether the pod is ready is the runtime's to say.
  EXPECT_FALSE(pod["containers"][1].contains("readinessProbe"));
}

TEST(StatefulSetBuilder, has_one_container_for_a_handler_elsewhere) {
  const Json pod = built("{handler: {http: {url: 'http://x/tick'}}}")["spec"]["template"]["spec"];
  EXPECT_EQ(pod["containers"].size(), 1u);
  EXPECT_EQ(pod["volumes"].size(), 1u);
}

TEST(StatefulSetBuilder, never_lets_scaling_to_zero_remove_the_disk) {
  for (const char* spec : {"{}", "{storage: {whenDeleted: Delete}}", "{replicas: 0}"}) {
    EXPECT_EQ(built(spec)["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"], "Retain")
        << spec;
  }
}

TEST(StatefulSetBuilder, hands_the_users_choice_of_keeping_the_disk_on) {
  const auto policy = [](const char* spec) {
    return built(spec)["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"];
  };
  EXPECT_EQ(policy("{}"), "Retain");
  EXPECT_EQ(policy("{storage: {whenDeleted: Delete}}"), "Delete");
}

TEST(StatefulSetBuilder, takes_the_operators_image_when_the_spec_names_none) {
  EXPECT_EQ(built("{}")["spec"]["template"]["spec"]["containers"][0]["image"],
            "openagents/agent-runtime:test");
  EXPECT_EQ(built("{image: 'a/b:1'}")["spec"]["template"]["spec"]["containers"][0]["image"],
            "a/b:1");
}

TEST(StatefulSetBuilder, names_no_group_where_the_platform_assigns_one) {
  const Json security =
      built("{}", 1, {"image", std::nullopt})["spec"]["template"]["spec"]["securityContext"];
  EXPECT_FALSE(security.contains("fsGroup"));
  EXPECT_TRUE(security.at("runAsNonRoot"));
}

TEST(StatefulSetBuilder, gives_the_pod_its_drain_time_and_a_little_more) {
  const auto grace = [](const char* spec) {
    return built(spec)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
  };
  EXPECT_EQ(grace("{}"), 35);
  EXPECT_EQ(grace("{lifecycle: {drainTimeout: 1500ms}}"), 7);
}

TEST(Revision, changes_with_what_a_running_pod_cannot_take_over) {
  for (const char* spec :
       {"{image: 'a/b:2'}", "{imagePullPolicy: Always}", "{config: {maxTickDuration: 1m}}",
        "{config: {maxStorageBytes: 2Gi}}", "{lifecycle: {drainTimeout: 1m}}",
        "{resources: {limits: {cpu: 1}}}", "{resources: {requests: {cpu: 1}}}",
        "{config: {maxIterations: 3}}", "{config: {inbox: {order: Relaxed}}}",
        "{config: {budget: {ticksPerDay: 5}}}", "{handler: {http: {url: 'http://x/tick'}}}",
        "{schedules: [{name: a, cron: '@daily'}]}",
        "{webhooks: [{source: a, scheme: GitHub, secretRef: {name: s, key: k}}]}",
        "{callbacks: {secretRef: {name: s, key: k}}}"}) {
    EXPECT_NE(revision(spec), revision("{}")) << spec;
  }
}

TEST(Revision, changes_with_every_part_of_the_handlers_container) {
  std::set<std::string> seen = {revision("{}")};
  for (const char* container :
       {"{image: a}", "{image: b}", "{image: a, port: 9001}", "{image: a, env: [{name: A}]}",
        "{image: a, env: [{name: A, value: b}]}",
        "{image: a, env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}",
        "{image: a, resources: {limits: {cpu: 1}}}", "{image: a, resources: {requests: {cpu: 1}}}",
        "{image: a, command: [x]}", "{image: a, args: [x]}"}) {
    const std::string spec = "{handler: {container: " + std::string(container) + "}}";
    EXPECT_TRUE(seen.insert(revision(spec)).second) << spec;
  }
}

TEST(Revision, stays_with_the_rest_and_with_defaults_written_out) {
  for (const char* spec :
       {"{replicas: 0}", "{storage: {whenDeleted: Delete}}", "{route: Direct}",
        "{config: {maxTickDuration: 30s, maxStorageBytes: 1024Mi}}",
        "{config: {maxIterations: 10, inbox: {capacity: 1000}}}", "{schedules: [], webhooks: []}",
        "{handler: {}}", "{imagePullPolicy: IfNotPresent}"}) {
    EXPECT_EQ(revision(spec), revision("{}")) << spec;
  }
}

// An operator that computes another one replaces every pod when it is installed.
TEST(Revision, is_that_of_operators_before_this_one) {
  EXPECT_EQ(revision("{}"), "08f44b07b5901a25");
  EXPECT_EQ(revision(kSeedSpec), "0144fcd782c789b0");
  EXPECT_EQ(revision("{config: {maxTickDuration: 1m}, lifecycle: {drainTimeout: 1m}}"),
            "7265e1c9433661b6");
}

}  // namespace
}  // namespace oa::op
