#include "runtime-pod/agent/schedules.h"

#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/text.h"

namespace oa::runtime {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Time time(std::string_view text) { return parse_time(text).value(); }
const Time kNoon = time("2026-11-21T12:00:00Z");

Schedule hourly(MissedPolicy missed = MissedPolicy::kFireOnce) {
  return {.name = "report", .cron = "0 * * * *", .time_zone = "UTC", .missed = missed};
}
ScheduleRow due(Time next) { return {.next = next, .missed = 5, .fired = 7, .ran = 6}; }

// What the store has after the writes of a fit.
std::vector<Item> stored(const std::vector<ItemWrite>& writes) {
  std::vector<Item> items;
  for (const ItemWrite& write : writes) {
    items.push_back({.key = write.key, .value = *write.value, .due = write.due});
  }
  return items;
}
std::vector<ItemWrite> fit(const std::vector<Schedule>& schedules, const std::vector<Item>& rows,
                           Time now) {
  return fit_schedules(schedules, rows, now).value();
}

TEST(FitSchedules, gives_a_new_schedule_its_first_fire) {
  Schedule weekly = hourly();
  weekly.name = "weekly-plan";
  weekly.cron = "0 9 * * 1";
  weekly.time_zone = "Europe/Stockholm";
  const auto writes = fit({weekly}, {}, kNoon);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].kind, ItemKind::kSchedule);
  EXPECT_EQ(writes[0].key, "weekly-plan");
  EXPECT_EQ(writes[0].due, (Due{Due::Class::kWork, time("2026-11-23T08:00:00Z")}));
  const ScheduleRow row = decode_schedule(*writes[0].value).value();
  EXPECT_EQ(row.next, writes[0].due->at);
  EXPECT_EQ(row.fired, 0);
}

TEST(FitSchedules, leaves_a_schedule_alone_that_fires_as_before) {
  const auto rows = stored(fit({hourly()}, {}, kNoon));
  Schedule other = hourly(MissedPolicy::kFireAll);
  other.payload = {{"to", "everybody"}};
  EXPECT_TRUE(fit({other}, rows, kNoon + days(3)).empty())
      << "what was missed meanwhile is still owed";
}

TEST(FitSchedules, works_out_the_next_fire_anew_when_cron_or_time_zone_changed) {
  const auto rows = stored({schedule_item("report", due(kNoon + hours(1)))});
  for (const auto& [cron, zone, next] :
       {std::tuple("30 * * * *", "UTC", "2026-11-21T12:30:00Z"),
        std::tuple("0 * * * *", "Asia/Kolkata", "2026-11-21T12:30:00Z")}) {
    Schedule changed = hourly();
    changed.cron = cron;
    changed.time_zone = zone;
    const auto writes = fit({changed}, rows, kNoon);
    ASSERT_EQ(writes.size(), 1u);
    const ScheduleRow row = decode_schedule(*writes[0].value).value();
    EXPECT_EQ(row.next, time(next));
    EXPECT_EQ(row.fired, 7) << "its counts go on";
    EXPECT_EQ(row.ran, 6);
    EXPECT_TRUE(fit({changed}, stored(writes), kNoon).empty());
  }
}

TEST(FitSchedules, removes_what_is_no_longer_declared) {
  Schedule other = hourly();
  other.name = "other";
  const auto rows = stored(fit({hourly(), other}, {}, kNoon));
  const auto writes = fit({other}, rows, kNoon);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].key, "report");
  EXPECT_FALSE(writes[0].value);
}

TEST(FitSchedules, refuses_a_time_zone_that_does_not_exist) {
  Schedule bad = hourly();
  bad.time_zone = "Mars/Olympus";
  EXPECT_EQ(fit_schedules({bad}, {}, kNoon).error().code, Code::kInvalidRequest);
}

TEST(AfterFire, runs_what_is_on_time_and_goes_on_to_the_next) {
  for (const auto policy : {MissedPolicy::kFireOnce, MissedPolicy::kFireAll, MissedPolicy::kSkip}) {
    const Fired fired = after_fire(hourly(policy), due(kNoon), kNoon + seconds(2)).value();
    EXPECT_TRUE(fired.run);
    EXPECT_EQ(fired.missed, 0);
    EXPECT_EQ(fired.next.next, kNoon + hours(1));
    EXPECT_EQ(fired.next.fired, 8);
    EXPECT_EQ(fired.next.missed, 5);
    EXPECT_EQ(fired.next.ran, 6) << "that is counted when its tick is committed";
  }
}

TEST(AfterFire, fires_once_for_all_that_were_missed) {
  const Fired fired = after_fire(hourly(), due(kNoon), kNoon + hours(3) + minutes(10)).value();
  EXPECT_TRUE(fired.run);
  EXPECT_EQ(fired.missed, 3);
  EXPECT_EQ(fired.next.next, kNoon + hours(4));
  EXPECT_EQ(fired.next.fired, 8);
  EXPECT_EQ(fired.next.missed, 8);
}

TEST(AfterFire, fires_for_each_that_was_missed_one_after_the_other) {
  const Time now = kNoon + hours(3) + minutes(10);
  ScheduleRow row = due(kNoon);
  for (int i = 1; i <= 4; ++i) {
    const Fired fired = after_fire(hourly(MissedPolicy::kFireAll), row, now).value();
    EXPECT_TRUE(fired.run);
    EXPECT_EQ(fired.missed, 0);
    EXPECT_EQ(fired.next.next, kNoon + hours(i));
    row = fired.next;
  }
  EXPECT_EQ(row.fired, 11);
  EXPECT_GT(row.next, now);
}

TEST(AfterFire, fires_for_the_last_hundred_of_many) {
  const Time now = kNoon + days(30) + minutes(10);
  ScheduleRow row{.next = kNoon};
  std::optional<Time> second;
  while (row.next <= now) {
    row = after_fire(hourly(MissedPolicy::kFireAll), row, now).value().next;
    if (!second) second = row.next;
  }
  EXPECT_EQ(row.fired, 100);
  EXPECT_EQ(second, kNoon + days(30) - hours(98));
  EXPECT_EQ(row.next, kNoon + days(30) + hours(1));
}

TEST(AfterFire, skips_what_is_older_than_a_minute) {
  const Schedule skip = hourly(MissedPolicy::kSkip);
  EXPECT_TRUE(after_fire(skip, due(kNoon), kNoon + seconds(59)).value().run);
  const Fired late = after_fire(skip, due(kNoon), kNoon + minutes(2)).value();
  EXPECT_FALSE(late.run);
  EXPECT_EQ(late.next.next, kNoon + hours(1));
  EXPECT_EQ(late.next.fired, 7);
}

TEST(AfterFire, waits_anew_when_the_clock_was_set_back) {
  const Fired fired = after_fire(hourly(), due(kNoon), kNoon - hours(2)).value();
  EXPECT_FALSE(fired.run);
  EXPECT_EQ(fired.next.next, kNoon) << "what ran before the jump is not run again";
  EXPECT_EQ(fired.next.fired, 7);

  const Fired wrong_before = after_fire(hourly(), due(kNoon), kNoon - days(400)).value();
  EXPECT_FALSE(wrong_before.run);
  EXPECT_EQ(wrong_before.next.next, kNoon - days(400) + hours(1));
}

}  // namespace
}  // namespace oa::runtime
