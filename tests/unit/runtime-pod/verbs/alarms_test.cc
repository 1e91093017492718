#include "runtime-pod/verbs/alarms.h"

#include <set>

#include <gtest/gtest.h>

#include "core/text.h"
#include "tests/unit/runtime-pod/verbs/engine.h"

namespace oa::runtime {
namespace {

using oa::test::eventually;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using test::await;
using test::Engine;

class Alarms : public testing::Test {
 protected:
  Result<Alarm> set(AlarmRequest request, const std::string& name = "a") {
    return await<Alarm>([&](auto done) {
      set_alarm(*engine.services, {"default", name}, std::move(request), std::move(done));
    });
  }
  Result<Alarm> set_in(const std::string& name, Duration span, Json payload = {}) {
    return set({.name = name, .in = span, .payload = std::move(payload)});
  }
  Result<void> cancel(const std::string& name) {
    return await<void>(
        [&](auto done) { cancel_alarm(*engine.services, agent, name, std::move(done)); });
  }
  Result<AlarmPage> list(const std::string& cursor = "", int limit = 100) {
    return await<AlarmPage>(
        [&](auto done) { list_alarms(*engine.services, agent, cursor, limit, std::move(done)); });
  }
  ScheduleStatus schedule() { return std::get<ScheduleStatus>(list()->items.at(0)); }
  bool runs_become(std::size_t count) {
    return eventually([&] { return engine.handler.runs() == count; });
  }
  bool rows_become(ItemKind kind, std::size_t count) {
    return eventually([&] { return engine.rows(agent, kind).size() == count; });
  }
  std::string last_envelope() const { return engine.handler.inputs().back().trigger->envelope.id; }
  Json last_payload() const {
    return engine.handler.inputs().back().trigger->envelope.payload.as_json();
  }

  Engine engine;
  const AgentId agent = engine.put("a");
};

TEST_F(Alarms, are_set_shown_replaced_and_cancelled) {
  const auto first = set_in("tea", seconds(10), "pour");
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->name, "tea");
  EXPECT_EQ(first->at, engine.clock.now() + seconds(10));
  const auto second = set_in("tea", seconds(20));
  ASSERT_TRUE(second);
  EXPECT_GT(second->generation, first->generation);
  ASSERT_TRUE(set_in("", hours(1)));
  ASSERT_EQ(list()->items.size(), 2u);
  const auto got =
      await<Alarm>([&](auto done) { get_alarm(*engine.services, agent, "tea", std::move(done)); });
  ASSERT_TRUE(got);
  EXPECT_EQ(got->at, second->at);
  EXPECT_EQ(got->generation, second->generation);
  EXPECT_TRUE(cancel("tea"));
  EXPECT_EQ(cancel("tea").error().code, Code::kNotFound);
  EXPECT_EQ(cancel("tea").error().detail, "alarm \"tea\" does not exist");
  EXPECT_EQ(list()->items.size(), 1u);
  EXPECT_EQ(set({.name = "x", .in = seconds(1)}, "nobody").error().code, Code::kNotFound);
}

TEST_F(Alarms, are_refused_with_a_bad_time_name_or_payload) {
  const Time now = engine.clock.now();
  const AlarmRequest wrong[] = {
      {.name = "x"},
      {.name = "x", .at = now, .in = seconds(1)},
      {.name = "x", .in = -seconds(1)},
      {.name = "x", .at = parse_time("2201-01-01T00:00:00Z").value()},
      {.name = std::string(257, 'x'), .in = seconds(1)},
      {.name = "a\nb", .in = seconds(1)},
      {.name = "x", .in = seconds(1), .payload = std::string(kMaxAlarmPayloadBytes, 'x')},
  };
  for (const AlarmRequest& request : wrong) {
    const auto refused = set(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidRequest) << refused.error().detail;
  }
  EXPECT_TRUE(set({.name = "x", .at = parse_time("2200-12-31T23:59:59Z").value()}));
}

TEST_F(Alarms, are_listed_by_page) {
  engine.put("a", Json::parse(R"({"schedules": [{"name": "s1", "cron": "* * * * *"},
                                                {"name": "s2", "cron": "0 9 * * 1"}]})"));
  for (const char* name : {"n1", "n2", "n3"}) ASSERT_TRUE(set_in(name, hours(1)));
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const auto page = list(cursor, 2);
    ASSERT_TRUE(page) << page.error().detail;
    for (const auto& item : page->items) {
      const auto* alarm = std::get_if<Alarm>(&item);
      seen.push_back(alarm ? alarm->name : std::get<ScheduleStatus>(item).name);
    }
    cursor = page->next.value_or("");
  } while (!cursor.empty());
  EXPECT_EQ(seen, (std::vector<std::string>{"s1", "s2", "n1", "n2", "n3"}));
  EXPECT_EQ(list("bogus").error().code, Code::kInvalidRequest);
}

TEST_F(Alarms, run_when_they_are_due_and_leave_with_their_tick) {  // I4
  const auto alarm = set_in("tea", seconds(10), {{"text", "pour"}});
  engine.pass(seconds(9));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 0u);
  engine.pass(seconds(1));
  ASSERT_TRUE(runs_become(1));
  EXPECT_EQ(engine.handler.inputs()[0].trigger->type, TriggerType::kAlarm);
  EXPECT_EQ(last_envelope(), alarm_id("tea", alarm->generation));
  EXPECT_EQ(last_payload()["payload"]["text"], "pour");
  EXPECT_TRUE(rows_become(ItemKind::kAlarm, 0));
}

TEST_F(Alarms, set_by_their_own_handler_run_again) {
  engine.handler.script([](const TickInput& input, auto done) {
    TickOutcome outcome;
    const bool again = input.tick < 3;
    if (again) outcome.writes.alarms.push_back(AlarmSet{"tea", input.now + seconds(5)});
    done(std::move(outcome));
  });
  ASSERT_TRUE(set_in("tea", seconds(5)));
  std::set<std::string> envelopes;
  for (std::size_t run = 1; run <= 3; ++run) {
    engine.pass(seconds(5));
    ASSERT_TRUE(runs_become(run)) << run;
    envelopes.insert(last_envelope());
    ASSERT_TRUE(rows_become(ItemKind::kAlarm, run < 3 ? 1 : 0));
    ASSERT_TRUE(engine.timer->await_asleep());
  }
  EXPECT_EQ(envelopes.size(), 3u);
}

TEST_F(Alarms, without_a_name_get_one_each) {
  engine.handler.script([](const TickInput& input, auto done) {
    TickOutcome outcome;
    if (input.tick == 1) {
      outcome.writes.alarms.push_back(AlarmSet{"", input.now + seconds(1), "one"});
      outcome.writes.alarms.push_back(AlarmSet{"", input.now + seconds(1), "two"});
    }
    done(std::move(outcome));
  });
  ASSERT_TRUE(set_in("start", seconds(0)));
  ASSERT_TRUE(rows_become(ItemKind::kAlarm, 2));
  const auto page = list();
  EXPECT_NE(std::get<Alarm>(page->items[0]).name, std::get<Alarm>(page->items[1]).name);
  engine.pass(seconds(1));
  ASSERT_TRUE(runs_become(3));
  EXPECT_EQ(last_payload()["name"], std::get<Alarm>(page->items[1]).name);
}

TEST_F(Alarms, cancelled_after_they_fired_do_not_run) {
  test::ScriptedHandler::Done release;
  std::atomic<bool> held{false};
  engine.handler.script([&](const TickInput& input, auto done) {
    if (input.tick > 1) return done({});
    release = std::move(done);
    held = true;
  });
  ASSERT_TRUE(set_in("first", seconds(1)));
  ASSERT_TRUE(set_in("second", seconds(1)));
  engine.pass(seconds(1));
  ASSERT_TRUE(eventually([&] { return held.load(); }));
  ASSERT_TRUE(cancel("second"));
  release({});
  release = nullptr;
  ASSERT_TRUE(rows_become(ItemKind::kAlarm, 0));
  ASSERT_TRUE(eventually([&] { return !engine.actor(agent)->status().running; }));
  EXPECT_EQ(engine.handler.runs(), 1u);
}

TEST_F(Alarms, whose_tick_was_not_committed_run_again_after_a_crash) {  // I4
  ASSERT_TRUE(set_in("tea", seconds(1)));
  engine.commits->cut();
  engine.pass(seconds(1));
  ASSERT_TRUE(runs_become(1));
  const std::string envelope = last_envelope();
  engine.restart();
  ASSERT_TRUE(runs_become(1));
  EXPECT_EQ(last_envelope(), envelope);
  ASSERT_TRUE(rows_become(ItemKind::kAlarm, 0));
  engine.restart();
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 0u);
}

TEST_F(Alarms, follow_the_wall_clock_both_ways) {
  ASSERT_TRUE(set_in("tea", hours(1)));
  engine.timer->jump(-hours(2));
  engine.pass(hours(2));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 0u);
  engine.timer->jump(hours(1));
  ASSERT_TRUE(runs_become(1));
  ASSERT_TRUE(rows_become(ItemKind::kAlarm, 0));
  engine.timer->jump(-hours(3));
  engine.pass(hours(3));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 1u);
}

TEST_F(Alarms, of_a_suspended_agent_wait_until_it_runs_again) {
  ASSERT_TRUE(set_in("tea", seconds(1)));
  engine.put("a", {{"replicas", 0}});
  engine.pass(seconds(2));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 0u);
  engine.put("a", {{"replicas", 1}});
  ASSERT_TRUE(eventually([&] {
    engine.pass(seconds(10));
    return engine.handler.runs() == 1;
  }));
  EXPECT_TRUE(rows_become(ItemKind::kAlarm, 0));
}

TEST_F(Alarms, whose_handler_fails_for_good_are_dead_letters) {  // I4
  engine.handler.script([](const TickInput&, auto done) {
    done(failed_tick(make_error(Code::kRuntimeError, "no")));
  });
  ASSERT_TRUE(set_in("tea", seconds(0)));
  ASSERT_TRUE(rows_become(ItemKind::kDeadLetter, 1));
  EXPECT_TRUE(rows_become(ItemKind::kAlarm, 0));
}

class Schedules : public Alarms {
 protected:
  void declare(const char* missed) {
    engine.put("a", {{"schedules",
                      {{{"name", "s"},
                        {"cron", "* * * * *"},
                        {"payload", {{"text", "hi"}}},
                        {"missed", missed}}}}});
  }
};

TEST_F(Schedules, run_each_time_and_count_it) {
  declare("FireOnce");
  for (std::size_t run = 1; run <= 3; ++run) {
    engine.pass(minutes(1));
    ASSERT_TRUE(runs_become(run));
    ASSERT_TRUE(eventually([&] { return schedule().row.ran == static_cast<std::int64_t>(run); }));
    ASSERT_TRUE(engine.timer->await_asleep());
  }
  EXPECT_EQ(last_payload()["payload"]["text"], "hi");
  EXPECT_EQ(schedule().row.fired, 3);
  EXPECT_EQ(schedule().row.missed, 0);
  EXPECT_EQ(last_envelope(), "schedule/s@" + format_time_seconds(engine.clock.now()));
}

TEST_F(Schedules, missed_while_the_runtime_was_down_run_once_and_say_so) {
  declare("FireOnce");
  engine.kill();
  engine.clock.advance(minutes(10) + seconds(90));
  engine.restart();
  ASSERT_TRUE(runs_become(1));
  EXPECT_EQ(last_payload()["missed"], 10);
  ASSERT_TRUE(eventually([&] { return schedule().row.ran == 1; }));
  EXPECT_EQ(schedule().row.missed, 10);
}

TEST_F(Schedules, missed_all_run_if_they_are_to) {
  declare("FireAll");
  engine.kill();
  engine.clock.advance(minutes(5));
  engine.restart();
  ASSERT_TRUE(runs_become(5));
  ASSERT_TRUE(eventually([&] { return schedule().row.ran == 5; }));
  EXPECT_EQ(schedule().row.fired, 5);
}

// The last of the six is on time: within a minute of its own.
TEST_F(Schedules, missed_are_left_out_if_they_are_to) {
  declare("Skip");
  engine.kill();
  engine.clock.advance(minutes(5) + seconds(90));
  engine.restart();
  ASSERT_TRUE(eventually([&] { return schedule().row.ran == 1; }));
  EXPECT_EQ(engine.handler.runs(), 1u);
  EXPECT_EQ(schedule().row.fired, 1);
  EXPECT_EQ(last_envelope(), "schedule/s@" + format_time_seconds(engine.clock.now() - seconds(30)));
  EXPECT_GT(schedule().row.next, engine.clock.now());
}

TEST_F(Schedules, whose_tick_was_not_committed_run_again_after_a_crash) {
  declare("FireOnce");
  engine.commits->cut();
  engine.pass(minutes(1));
  ASSERT_TRUE(runs_become(1));
  const std::string envelope = last_envelope();
  engine.restart();
  ASSERT_TRUE(runs_become(1));
  EXPECT_EQ(last_envelope(), envelope);
  ASSERT_TRUE(eventually([&] { return schedule().row.ran == 1; }));
  EXPECT_EQ(schedule().row.fired, 1);
}

TEST_F(Schedules, taken_out_of_the_manifest_are_gone) {
  declare("FireOnce");
  engine.put("a");
  engine.pass(minutes(2));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(engine.handler.runs(), 0u);
  EXPECT_TRUE(engine.rows(agent, ItemKind::kSchedule).empty());
}

}  // namespace
}  // namespace oa::runtime
