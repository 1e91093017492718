#include "operator/plan.h"

#include <set>

#include <gtest/gtest.h>

#include "core/text.h"
#include "tests/support/agent_objects.h"
#include "tests/support/golden.h"

namespace oa::op {
namespace {

using test::agent_object;
using test::kPlatform;
using test::pod_object;
using test::running;
using test::with;

const Time kNow = parse_time("2026-11-21T08:00:00Z").value();

// What a reader of the golden files wants to see of a plan.
std::string summary(const Plan& plan) {
  OrderedJson out;
  out["apply"] = OrderedJson::array();
  for (const Apply& apply : plan.apply) {
    out["apply"].push_back(std::string(apply.creates ? "create " : "change ") +
                           std::string(apply.resource.kind) +
                           (apply.resource == kube::kStatefulSets
                                ? " replicas=" + apply.object["spec"]["replicas"].dump()
                                : ""));
  }
  if (plan.delete_pod) out["deletePod"] = to_string(plan.delete_pod->key);
  if (plan.status) out["status"] = OrderedJson::parse(plan.status->dump());
  out["events"] = OrderedJson::array();
  for (const Note& note : plan.notes) {
    out["events"].push_back(std::string(note.warning ? "Warning " : "Normal ") +
                            note.finding.reason + ": " + note.finding.message);
  }
  if (plan.requeue_after) out["requeueAfter"] = format_duration(*plan.requeue_after);
  return out.dump(2) + "\n";
}

struct Case {
  const char* name;
  Observed seen;
};

Observed only(kube::Object agent) { return {.agent = std::move(agent)}; }

Observed broken(const Json& container) {
  Observed seen = running(agent_object());
  seen.pod = pod_object(seen.agent, false, container);
  return seen;
}

kube::Object foreign(kube::Object object) {
  return with(object, "/metadata/ownerReferences", Json::array());
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const char* name, Observed seen) { all.push_back({name, std::move(seen)}); };
  const kube::Object agent = agent_object();

  add("new_agent", only(agent));
  add("running", running(agent));

  Observed starting = running(agent);
  starting.claim = test::claim_object("Pending");
  starting.pod = pod_object(agent, false);
  add("starting", starting);

  Observed lost_pod = running(agent);
  lost_pod.pod.reset();
  add("pod_lost", lost_pod);

  Observed lost_children = running(agent);
  lost_children.statefulset.reset();
  lost_children.service.reset();
  add("children_deleted_by_hand", lost_children);

  Observed scaled_by_hand = running(agent);
  scaled_by_hand.statefulset = with(*scaled_by_hand.statefulset, "/spec/replicas", 0);
  add("statefulset_scaled_by_hand", scaled_by_hand);

  Observed suspending = running(agent_object("{replicas: 0}"));
  suspending.statefulset = test::statefulset_object(agent);
  add("suspending", suspending);
  Observed suspended = running(agent_object("{replicas: 0}"));
  suspended.pod.reset();
  add("suspended", suspended);

  const kube::Object changed = agent_object("{image: 'acme/runtime:2'}");
  Observed new_image = running(changed);
  new_image.statefulset = test::statefulset_object(agent);
  new_image.pod = pod_object(agent, true);
  add("image_changed", new_image);
  Observed unnoticed = running(changed);
  unnoticed.pod = pod_object(agent, true);
  unnoticed.statefulset = with(*unnoticed.statefulset, "/metadata/generation", 2);
  add("image_changed_and_not_noticed_by_the_controller", unnoticed);
  Observed old_pod = running(changed);
  old_pod.pod = pod_object(agent, true);
  add("pod_of_an_older_revision", old_pod);
  Observed stuck = running(changed);
  stuck.pod = pod_object(
      agent, false,
      {{"image", "no/such:1"}, {"state", {{"waiting", {{"reason", "ImagePullBackOff"}}}}}});
  add("stuck_pod_of_an_older_revision", stuck);
  Observed stopping = running(changed);
  stopping.pod =
      with(pod_object(agent, true), "/metadata/deletionTimestamp", "2026-11-21T07:59:59Z");
  add("old_pod_is_stopping", stopping);

  Observed taken_set = only(agent);
  taken_set.statefulset = foreign(test::statefulset_object(agent));
  add("name_conflict_statefulset", taken_set);
  Observed taken_service = running(agent);
  taken_service.service = foreign(test::service_object(agent));
  add("name_conflict_service", taken_service);
  Observed taken_claim = only(agent);
  taken_claim.claim = with(test::claim_object(), "/metadata/labels", Json::object());
  add("name_conflict_claim", taken_claim);
  Observed earlier = only(agent);
  earlier.service =
      with(test::service_object(agent), "/metadata/ownerReferences/0/uid", "an-earlier-agent");
  add("children_of_an_earlier_agent_are_going", earlier);
  Observed kept_disk = only(agent);
  kept_disk.claim = test::claim_object();
  add("kept_disk_is_taken_over", kept_disk);

  add("image_cannot_be_pulled",
      broken({{"image", "no/such:1"}, {"state", {{"waiting", {{"reason", "ErrImagePull"}}}}}}));
  add("crash_loop", broken({{"state", {{"waiting", {{"reason", "CrashLoopBackOff"}}}}},
                            {"lastState", {{"terminated", {{"exitCode", 1}}}}}}));
  Observed unschedulable = running(agent);
  unschedulable.pod = with(pod_object(agent, false), "/status/conditions/1",
                           {{"type", "PodScheduled"},
                            {"status", "False"},
                            {"reason", "Unschedulable"},
                            {"message", "0/1 nodes are available: 1 Insufficient cpu."}});
  add("unschedulable", unschedulable);
  Observed quota = running(agent);
  quota.pod.reset();
  quota.claim.reset();
  quota.pod_refusal =
      "create Pod my-agent-0 in StatefulSet my-agent failed error: exceeded quota: small, used: "
      "pods=1";
  add("quota_exceeded", quota);
  Observed refused = only(agent);
  refused.failure = Finding{"ApplyRefused", "the API server refuses a child object: no"};
  add("apply_refused", refused);
  add("invalid_spec", only(with(agent, "/spec/config/maxTickDuration", "soon")));

  add("deleting", running(with(agent, "/metadata/deletionTimestamp", "2026-11-21T07:59:59Z")));
  return all;
}

TEST(Plan, is_what_the_golden_files_say) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    test::expect_golden(std::string("operator/plan/") + each.name + ".json",
                        summary(plan(each.seen, kPlatform, kNow)));
  }
}

TEST(Plan, writes_nothing_once_everything_is_as_wanted) {
  for (const Case& each : cases()) {
    SCOPED_TRACE(each.name);
    Observed seen = each.seen;
    const Plan first = plan(seen, kPlatform, kNow);
    if (first.status) seen.agent = with(seen.agent, "/status", *first.status);
    for (const Apply& apply : first.apply) {
      (apply.resource == kube::kServices ? seen.service : seen.statefulset) =
          kube::Object(apply.object);
    }
    const Plan second = plan(seen, kPlatform, kNow + std::chrono::hours(1));
    EXPECT_TRUE(second.apply.empty());
    EXPECT_TRUE(second.notes.empty() || second.status);
    if (first.apply.empty() && !first.delete_pod) {
      EXPECT_EQ(second.status, std::nullopt);
    }
  }
}

TEST(Plan, never_asks_for_more_than_one_pod) {
  for (const Case& each : cases()) {
    for (const Apply& apply : plan(each.seen, kPlatform, kNow).apply) {
      if (apply.resource == kube::kStatefulSets) {
        EXPECT_LE(apply.object["spec"]["replicas"], 1) << each.name;
      }
    }
  }
}

TEST(Plan, deletes_only_a_pod_of_this_agents_own_statefulset) {
  const kube::Object changed = agent_object("{image: 'acme/runtime:2'}");
  Observed seen = running(changed);
  seen.pod =
      with(pod_object(agent_object(), true), "/metadata/ownerReferences/0/uid", "somebody-else");
  EXPECT_FALSE(plan(seen, kPlatform, kNow).delete_pod);
}

TEST(Plan, restarts_no_agent_when_the_operator_is_upgraded) {
  Observed seen = running(agent_object());
  const Platform upgraded{"openagents/agent-runtime:next", std::nullopt};
  const Plan next = plan(seen, upgraded, kNow);
  ASSERT_EQ(next.apply.size(), 1u);
  seen.statefulset =
      with(with(kube::Object(next.apply[0].object), "/metadata/uid", test::kStatefulSetUid),
           "/status/observedGeneration", 1);
  EXPECT_FALSE(plan(seen, upgraded, kNow).delete_pod);
}

TEST(Plan, has_a_golden_file_for_every_reason_of_a_condition) {
  std::set<std::string> reasons;
  for (const Case& each : cases()) {
    const auto written = plan(each.seen, kPlatform, kNow).status;
    if (!written) continue;
    for (const Json& condition : written->at("conditions")) reasons.insert(condition.at("reason"));
  }
  for (const char* reason :
       {"PodReady",      "PodPending",   "PodStarting", "PodStopping", "Suspending",
        "Suspended",     "NameConflict", "ImagePull",   "CrashLoop",   "Unschedulable",
        "QuotaExceeded", "ApplyRefused", "InvalidSpec", "Bound",       "ClaimPending",
        "ClaimMissing",  "Replacing",    "Blocked",     "Complete",    "AsExpected"}) {
    EXPECT_TRUE(reasons.contains(reason)) << reason;
  }
}

}  // namespace
}  // namespace oa::op
