#include "libs/kube/events.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tests/support/kube_client.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const Time kNow = *parse_time("2026-11-21T08:00:00.123456Z");

EventNote note(const std::string& reason = "Created",
               const std::string& text = "made a StatefulSet", const std::string& uid = "u1") {
  return {{"openagents.com/v1", "Agent", "team", "a", uid, "7"},
          EventType::kNormal,
          reason,
          "Reconcile",
          text};
}

EventPlanner planner(EventsPolicy policy = {}) {
  return {policy, "openagents.com/operator", "operator-0"};
}

TEST(EventPlanner, writes_a_whole_event) {
  EventPlanner p = planner();
  const auto write = p.plan(note(), kNow);
  ASSERT_TRUE(write);
  EXPECT_TRUE(write->create);
  EXPECT_EQ(write->key.ns, "team");
  EXPECT_TRUE(write->key.name.starts_with("a."));
  json event = json::parse(write->document);
  EXPECT_EQ(event["metadata"]["name"], write->key.name);
  event.erase("metadata");
  EXPECT_EQ(event, json::parse(R"({
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "eventTime": "2026-11-21T08:00:00.123456Z",
    "reportingController": "openagents.com/operator", "reportingInstance": "operator-0",
    "action": "Reconcile", "reason": "Created", "type": "Normal", "note": "made a StatefulSet",
    "regarding": {"apiVersion": "openagents.com/v1", "kind": "Agent", "namespace": "team", "name": "a", "uid": "u1",
                  "resourceVersion": "7"}})"));
}

TEST(EventPlanner, counts_repeats_on_the_same_event) {
  EventPlanner p = planner();
  const auto first = p.plan(note(), kNow);
  const auto second = p.plan(note(), kNow + 1min);
  const auto third = p.plan(note(), kNow + 6min);
  ASSERT_TRUE(first && second && third);
  EXPECT_FALSE(second->create);
  EXPECT_EQ(second->key, first->key);
  EXPECT_EQ(json::parse(second->document),
            json::parse(
                R"({"series": {"count": 2, "lastObservedTime": "2026-11-21T08:01:00.123456Z"}})"));
  EXPECT_EQ(json::parse(third->document)["series"]["count"], 3);
}

TEST(EventPlanner, begins_a_new_event_after_the_window_or_for_another_text) {
  EventPlanner p = planner();
  const auto first = p.plan(note(), kNow);
  const auto other = p.plan(note("Created", "made a Service"), kNow);
  const auto late = p.plan(note(), kNow + 6min);
  ASSERT_TRUE(other && late);
  EXPECT_TRUE(other->create);
  EXPECT_TRUE(late->create);
  EXPECT_NE(late->key, first->key);
}

TEST(EventPlanner, begins_a_new_event_when_the_old_one_has_expired_on_the_server) {
  EventPlanner p = planner();
  const auto first = p.plan(note(), kNow);
  p.forget(first->key);
  EXPECT_TRUE(p.plan(note(), kNow)->create);
}

TEST(EventPlanner, cuts_off_a_noisy_object_and_lets_it_back_slowly) {
  EventPlanner p = planner();
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(p.plan(note("Failed", std::to_string(i)), kNow));
  EXPECT_FALSE(p.plan(note("Failed", "more"), kNow));
  EXPECT_TRUE(p.plan(note("Failed", "x", "u2"), kNow)) << "others are not concerned";
  EXPECT_FALSE(p.plan(note("Failed", "more"), kNow + 4min));
  EXPECT_TRUE(p.plan(note("Failed", "more"), kNow + 6min));
  EXPECT_FALSE(p.plan(note("Failed", "again"), kNow + 6min));
}

TEST(EventPlanner, carries_the_whole_count_after_a_cut) {
  EventPlanner p = planner();
  for (int i = 0; i < 60; ++i) p.plan(note(), kNow);
  const auto write = p.plan(note(), kNow + 5min);
  ASSERT_TRUE(write);
  EXPECT_EQ(json::parse(write->document)["series"]["count"], 61);
}

TEST(EventPlanner, cuts_long_notes) {
  EventPlanner p = planner();
  const auto write = p.plan(note("Failed", std::string(5000, 'x')), kNow);
  EXPECT_LE(json::parse(write->document)["note"].get<std::string>().size(), 1024U);
}

TEST(EventPlanner, puts_events_of_cluster_scoped_objects_into_default) {
  EventPlanner p = planner();
  EventNote cluster_note = note();
  cluster_note.regarding.ns.clear();
  EXPECT_EQ(p.plan(cluster_note, kNow)->key.ns, "default");
}

TEST(EventPlanner, remembers_a_bounded_number_of_things) {
  EventsPolicy policy;
  policy.max_tracked = 10;
  EventPlanner p = planner(policy);
  const auto first = p.plan(note(), kNow);
  for (int i = 0; i < 100; ++i) p.plan(note("Created", "x", "other-" + std::to_string(i)), kNow);
  EXPECT_TRUE(p.plan(note(), kNow)->create) << "forgotten: a new event, not a lost one";
}

const char* const kPost =
    "POST /apis/events.k8s.io/v1/namespaces/team/events?fieldValidation=Strict";

TEST(EventRecorder, sends_what_is_queued_before_it_stops) {
  test::ScriptedClient client({{kPost, test::answer(201)}, {kPost, test::answer(201)}});
  EventRecorder recorder(*client.client, "c", "i", client.metrics, client.log);
  recorder.start();
  recorder.record(note("One"));
  recorder.record(note("Two"));
  recorder.stop(30s);
}

TEST(EventRecorder, never_blocks_when_the_server_hangs) {
  test::ScriptedClient client({{kPost, test::Hang{}}});
  EventsPolicy policy;
  policy.max_queued = 4;
  EventRecorder recorder(*client.client, "c", "i", client.metrics, client.log, policy);
  recorder.start();
  recorder.record(note());
  client.transport->wait_played();
  for (int i = 0; i < 10; ++i) recorder.record(note("More", std::to_string(i)));
  EXPECT_NE(client.metrics.text().find("openagents_events_dropped_total{cause=\"queue_full\"} 6"),
            std::string::npos)
      << client.metrics.text();
  recorder.stop(0s);
}

TEST(EventRecorder, writes_a_new_event_when_its_series_is_gone) {
  const auto is_patch = [](const HttpRequest& request) {
    EXPECT_EQ(header(request.headers, "Content-Type"), "application/merge-patch+json");
  };
  test::ScriptedClient client(
      {{kPost, test::answer(201)},
       {"PATCH /apis/events.k8s.io/v1/namespaces/team/events/*", test::answer(404), is_patch},
       {kPost, test::answer(201)}});
  EventRecorder recorder(*client.client, "c", "i", client.metrics, client.log);
  recorder.start();
  recorder.record(note());
  recorder.record(note());
  recorder.stop(30s);
}

TEST(EventRecorder, goes_on_after_a_refusal) {
  test::ScriptedClient client({{kPost, test::answer(403)}, {kPost, test::answer(201)}});
  EventRecorder recorder(*client.client, "c", "i", client.metrics, client.log);
  recorder.start();
  recorder.record(note("One"));
  recorder.record(note("Two"));
  recorder.stop(30s);
  EXPECT_NE(client.metrics.text().find("openagents_events_dropped_total{cause=\"write_failed\"} 1"),
            std::string::npos);
}

}  // namespace
}  // namespace oa::kube
