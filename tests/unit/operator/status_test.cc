#include "operator/status.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "tests/support/agent_objects.h"

namespace oa::op {
namespace {

using test::agent_object;
using test::pod_object;
using test::running;
using test::with;

std::optional<Finding> trouble_of(const Json& container) {
  Observed seen = running(agent_object());
  seen.pod = pod_object(seen.agent, false, container);
  return find_trouble(seen);
}

TEST(PodTrouble, has_a_reason_for_each_way_in_which_a_pod_cannot_start) {
  struct Row {
    Json container;
    const char* reason;
    const char* message;
  };
  const Json crash_loop = {{"waiting", {{"reason", "CrashLoopBackOff"}}}};
  const auto ended = [&](Json terminated) {
    return Json{{"state", crash_loop}, {"lastState", {{"terminated", terminated}}}};
  };
  const Row rows[] = {
      {{{"image", "a/b:1"}, {"state", {{"waiting", {{"reason", "ErrImagePull"}}}}}},
       "ImagePull",
       "the image \"a/b:1\""},
      {{{"image", "a/b:1"}, {"state", {{"waiting", {{"reason", "ImagePullBackOff"}}}}}},
       "ImagePull",
       "describe pod my-agent-0"},
      {{{"image", "::"}, {"state", {{"waiting", {{"reason", "InvalidImageName"}}}}}},
       "ImagePull",
       "\"::\""},
      {{{"state",
         {{"waiting", {{"reason", "CreateContainerConfigError"}, {"message", "no such secret"}}}}}},
       "ContainerRefused",
       "no such secret"},
      {ended({{"exitCode", 1}}), "CrashLoop", "exit code 1"},
      {ended({{"exitCode", 137}, {"reason", "OOMKilled"}}), "OutOfMemory",
       "spec.resources.limits.memory"},
      {ended({{"exitCode", 4}}), "WrongAgent", "another agent"},
      {ended({{"exitCode", 3}, {"message", "{\"reason\":\"DatabaseTooNew\"}"}}), "DatabaseTooNew",
       "newer runtime"},
      {ended({{"exitCode", 3}}), "DataDirectoryLocked", "another process"},
      {{{"state", {{"terminated", {{"exitCode", 2}}}}}}, "CrashLoop", "exit code 2"},
  };
  for (const Row& row : rows) {
    const auto trouble = trouble_of(row.container);
    ASSERT_TRUE(trouble) << row.container;
    EXPECT_EQ(trouble->reason, row.reason) << row.container;
    EXPECT_NE(trouble->message.find(row.message), std::string::npos) << trouble->message;
  }
}

TEST(PodTrouble, tells_of_the_handler_when_the_runtime_is_well) {
  const auto reason_of = [](Json handler) -> std::string {
    Observed seen = running(agent_object());
    handler["name"] = "handler";
    seen.pod = with(pod_object(seen.agent, false), "/status/containerStatuses",
                    Json::array({{{"name", "agent"}, {"ready", true}}, std::move(handler)}));
    const auto trouble = find_trouble(seen);
    return trouble ? trouble->reason : "";
  };
  const auto ended = [](Json terminated) {
    return Json{{"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}},
                {"lastState", {{"terminated", std::move(terminated)}}}};
  };
  EXPECT_EQ(reason_of({{"ready", true}}), "");
  EXPECT_EQ(reason_of({{"state", {{"waiting", {{"reason", "ErrImagePull"}}}}}}), "ImagePull");
  EXPECT_EQ(reason_of(ended({{"exitCode", 4}})), "HandlerCrashLoop");
  EXPECT_EQ(reason_of(ended({{"exitCode", 137}, {"reason", "OOMKilled"}})), "HandlerOutOfMemory");
}

TEST(PodTrouble, is_still_told_while_a_crashed_runtime_starts_again) {
  const auto trouble = trouble_of({{"state", {{"running", Json::object()}}},
                                   {"lastState", {{"terminated", {{"exitCode", 1}}}}}});
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->reason, "CrashLoop");
}

TEST(PodTrouble, is_over_once_the_pod_is_ready_and_none_while_it_starts) {
  Observed seen = running(agent_object());
  seen.pod = pod_object(seen.agent, true, {{"lastState", {{"terminated", {{"exitCode", 1}}}}}});
  EXPECT_EQ(find_trouble(seen), std::nullopt);
  EXPECT_EQ(trouble_of({{"state", {{"waiting", {{"reason", "ContainerCreating"}}}}}}),
            std::nullopt);
}

TEST(PodTrouble, repeats_the_api_servers_words_when_the_pod_is_refused) {
  Observed seen = running(agent_object());
  seen.pod.reset();
  seen.pod_refusal = "create Pod my-agent-0 failed: exceeded quota: small";
  EXPECT_EQ(find_trouble(seen)->reason, "QuotaExceeded");
  seen.pod_refusal = "violates PodSecurity \"restricted:latest\"";
  EXPECT_EQ(find_trouble(seen)->reason, "PodRefused");
  EXPECT_NE(find_trouble(seen)->message.find("violates PodSecurity"), std::string::npos);
}

TEST(Status, moves_a_transition_time_only_when_the_value_changes) {
  const Time early = parse_time("2026-11-21T08:00:00Z").value();
  const Time late = early + std::chrono::hours(1);
  const kube::Object fresh = agent_object();
  const Result<AgentSpec> spec = test::spec_of(fresh);
  const auto status_at = [&](const kube::Object& agent, std::optional<kube::Object> pod, Time now) {
    Observed seen = running(agent);
    seen.pod = std::move(pod);
    return build_status({.seen = seen, .spec = spec, .revision = revision_of(*spec)}, now);
  };
  const Json first = status_at(fresh, pod_object(fresh, true), early);
  const Json same = status_at(agent_object("{}", first), pod_object(fresh, true), late);
  EXPECT_EQ(same, first);
  const Json stopped = status_at(agent_object("{}", first), pod_object(fresh, false), late);
  EXPECT_EQ(stopped["conditions"][0]["type"], "Ready");
  EXPECT_EQ(stopped["conditions"][0]["lastTransitionTime"], "2026-11-21T09:00:00Z");
  EXPECT_EQ(stopped["conditions"][1]["type"], "StorageReady");
  EXPECT_EQ(stopped["conditions"][1]["lastTransitionTime"], "2026-11-21T08:00:00Z");
}

TEST(Status, is_valid_by_the_table_that_the_resource_definition_comes_from) {
  const kube::Object agent = agent_object();
  const Result<AgentSpec> spec = test::spec_of(agent);
  const Observed seen = running(agent);
  const Json status =
      build_status({.seen = seen, .spec = spec, .revision = revision_of(*spec)}, Time());
  const auto errors =
      schema::validate(agent_status_schema(), status, "status", schema::Unknown::kRefuse);
  EXPECT_TRUE(errors.empty()) << (errors.empty()
                                      ? ""
                                      : errors.front().path + " must " + errors.front().must);
}

}  // namespace
}  // namespace oa::op
