#include "runtime-pod/alarms/schedule.h"

#include <array>
#include <random>

#include <gtest/gtest.h>

#include "core/text.h"

namespace oa::runtime {
namespace {

using namespace std::chrono_literals;

Time utc(const std::string& text) { return parse_time(text).value(); }

TimeZone zone(const std::string& name) { return TimeZone::find(name).value(); }

Cron cron(const std::string& text) { return parse_cron(text).value(); }

struct Row {
  const char* cron;
  const char* zone;
  const char* after;
  std::vector<std::string> fires;
};

void expect_fires(const Row& row) {
  Time at = utc(row.after);
  for (const std::string& wanted : row.fires) {
    at = next_fire(cron(row.cron), zone(row.zone), at);
    EXPECT_EQ(format_time_seconds(at), wanted) << row.cron << " in " << row.zone;
  }
}

TEST(Schedule, fires_at_its_time_of_day_summer_and_winter) {
  const Row rows[] = {
      {"0 9 * * *",
       "Europe/Stockholm",
       "2026-03-28T00:00:00Z",
       {"2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"}},
      {"0 9 * * 1",
       "Europe/Stockholm",
       "2026-10-19T07:00:00Z",
       {"2026-10-26T08:00:00Z", "2026-11-02T08:00:00Z"}},
      {"0 0 * * *",
       "Australia/Lord_Howe",
       "2026-04-03T13:00:00Z",
       {"2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z"}},
      {"30 5 * * *",
       "Asia/Kolkata",
       "2026-03-28T00:00:00Z",
       {"2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"}},
      {"0 0 29 2 *",
       "UTC",
       "2026-01-01T00:00:00Z",
       {"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}},
  };
  for (const Row& row : rows) expect_fires(row);
}

TEST(Schedule, fires_at_the_first_instant_after_the_minutes_that_clocks_pass_over) {
  const Row rows[] = {
      {"30 2 * * *",
       "Europe/Stockholm",
       "2026-03-28T00:00:00Z",
       {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
      {"*/20 2,3 * * 0",
       "Europe/Stockholm",
       "2026-03-28T12:00:00Z",
       {"2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z",
        "2026-04-05T00:00:00Z"}},
      {"15 2 * * *",
       "Australia/Lord_Howe",
       "2026-10-03T00:00:00Z",
       {"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
      {"0 9 * * *",
       "Pacific/Apia",
       "2011-12-29T18:00:00Z",
       {"2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"}},
      {"0 9 * * 5",
       "Pacific/Apia",
       "2011-12-24T18:00:00Z",
       {"2011-12-30T10:00:00Z", "2012-01-05T19:00:00Z"}},
  };
  for (const Row& row : rows) expect_fires(row);
}

TEST(Schedule, fires_once_for_a_minute_that_clocks_show_twice) {
  const Row rows[] = {
      {"30 2 * * *",
       "Europe/Stockholm",
       "2026-10-24T12:00:00Z",
       {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
      {"*/30 1 * * *",
       "America/New_York",
       "2026-11-01T04:00:00Z",
       {"2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:00:00Z"}},
      // From within the second showing.
      {"45 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", {"2026-11-02T06:45:00Z"}},
      {"50 1 * * *",
       "Australia/Lord_Howe",
       "2026-04-04T12:00:00Z",
       {"2026-04-04T14:50:00Z", "2026-04-05T15:20:00Z"}},
  };
  for (const Row& row : rows) expect_fires(row);
}

TEST(Schedule, keeps_elapsed_spacing_with_a_wildcard_hour) {
  const Row rows[] = {
      {"*/30 * * * *",
       "Europe/Stockholm",
       "2026-03-29T00:00:00Z",
       {"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
      {"0 * * * *",
       "Europe/Stockholm",
       "2026-10-24T23:00:00Z",
       {"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
      {"*/15 * * * *",
       "Australia/Lord_Howe",
       "2026-10-03T15:14:59Z",
       {"2026-10-03T15:15:00Z", "2026-10-03T15:30:00Z", "2026-10-03T15:45:00Z"}},
      {"@hourly",
       "Pacific/Apia",
       "2011-12-30T08:30:00Z",
       {"2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T11:00:00Z"}},
  };
  for (const Row& row : rows) expect_fires(row);
}

std::string random_field(std::mt19937& random, int low, int high, int wildcard_percent) {
  const auto draw = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  if (draw(0, 99) < wildcard_percent) return "*";
  if (draw(0, 3) == 0) return "*/" + std::to_string(draw(2, high));
  std::string text = std::to_string(draw(low, high));
  if (draw(0, 1) == 0) text += "," + std::to_string(draw(low, high));
  return text;
}

// Some expression that matches something.
std::string random_cron(std::mt19937& random) {
  for (;;) {
    std::string text = random_field(random, 0, 59, 20) + " " + random_field(random, 0, 23, 30) +
                       " " + random_field(random, 1, 31, 70) + " " +
                       random_field(random, 1, 12, 80) + " " + random_field(random, 0, 6, 70);
    if (parse_cron(text)) return text;
  }
}

// Every fire in a year, by looking at the wall once a minute: whenever it shows a later minute than
// ever before, one that matches may have been passed over.
std::vector<Time> fires_by_watching(const Cron& cron, const TimeZone& zone, Time begin, Time end) {
  std::vector<Time> fires;
  const auto shown = [&](Time at) {
    return std::chrono::floor<std::chrono::minutes>(zone.period(at).local(at));
  };
  LocalMinute latest = shown(begin);
  LocalMinute wanted = cron.next(latest);
  for (Time at = begin + 1min; at <= end; at += 1min) {
    const LocalMinute now = shown(at);
    if (cron.every_hour()) {
      if (cron.next(now - 1min) == now) fires.push_back(at);
    } else if (now >= wanted) {
      fires.push_back(at);
      wanted = cron.next(now);
    }
  }
  return fires;
}

TEST(Schedule, fires_as_somebody_would_who_watched_the_clock_for_a_year) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr std::array<const char*, 6> kZones = {"Europe/Stockholm",    "America/New_York",
                                                 "Australia/Lord_Howe", "Pacific/Apia",
                                                 "Africa/Casablanca",   "UTC"};
  for (const char* name : kZones) {
    const int year = std::uniform_int_distribution<int>(2009, 2030)(random);
    const Time begin = utc(std::to_string(year) + "-01-01T00:00:00Z");
    const std::string text = random_cron(random);
    SCOPED_TRACE(text + " in " + name + " in " + std::to_string(year));
    const Cron parsed = cron(text);
    const TimeZone where = zone(name);
    Time at = begin;
    for (const Time watched :
         fires_by_watching(parsed, where, begin, begin + std::chrono::days(365))) {
      at = next_fire(parsed, where, at);
      ASSERT_EQ(format_time_seconds(at), format_time_seconds(watched));
    }
    EXPECT_GT(next_fire(parsed, where, at), begin + std::chrono::days(365));
  }
}

TEST(DueFires, are_none_before_the_next_one) {
  const DueFires due = due_fires(cron("0 9 * * *"), zone("UTC"), MissedPolicy::kFireOnce,
                                 utc("2026-11-21T09:00:00Z"), utc("2026-11-22T08:59:59Z"));
  EXPECT_TRUE(due.fires.empty());
  EXPECT_EQ(due.next, utc("2026-11-22T09:00:00Z"));
  EXPECT_EQ(due.handled, utc("2026-11-22T08:59:59Z"));
}

TEST(DueFires, that_are_on_time_are_the_same_whatever_is_done_with_missed_ones) {
  for (const auto policy : {MissedPolicy::kFireOnce, MissedPolicy::kFireAll, MissedPolicy::kSkip}) {
    const DueFires due = due_fires(cron("0 9 * * *"), zone("UTC"), policy,
                                   utc("2026-11-21T09:00:00Z"), utc("2026-11-22T09:00:00Z"));
    EXPECT_EQ(due.fires, (std::vector<Fire>{{utc("2026-11-22T09:00:00Z")}}));
    EXPECT_EQ(due.next, utc("2026-11-23T09:00:00Z"));
  }
}

TEST(DueFires, stand_for_all_that_were_missed_or_are_all_of_them_or_none) {
  const Time last = utc("2026-11-18T09:00:00Z");
  const Time now = utc("2026-11-21T12:00:00Z");
  const auto due = [&](MissedPolicy policy) {
    return due_fires(cron("0 9 * * *"), zone("UTC"), policy, last, now).fires;
  };
  EXPECT_EQ(due(MissedPolicy::kFireOnce), (std::vector<Fire>{{utc("2026-11-21T09:00:00Z"), 2}}));
  EXPECT_EQ(due(MissedPolicy::kFireAll), (std::vector<Fire>{{utc("2026-11-19T09:00:00Z")},
                                                            {utc("2026-11-20T09:00:00Z")},
                                                            {utc("2026-11-21T09:00:00Z")}}));
  EXPECT_TRUE(due(MissedPolicy::kSkip).empty());
}

TEST(DueFires, are_skipped_when_a_minute_late) {
  const auto fires = [&](const char* now) {
    return due_fires(cron("0 9 * * *"), zone("UTC"), MissedPolicy::kSkip,
                     utc("2026-11-18T09:00:00Z"), utc(now))
        .fires;
  };
  EXPECT_EQ(fires("2026-11-21T09:01:00Z"), (std::vector<Fire>{{utc("2026-11-21T09:00:00Z")}}));
  EXPECT_TRUE(fires("2026-11-21T09:01:00.001Z").empty());
}

TEST(DueFires, are_the_last_hundred_of_many) {
  const Time last = utc("2026-11-20T00:00:00Z");
  const Time now = utc("2026-11-21T12:00:30Z");
  const auto due = due_fires(cron("* * * * *"), zone("UTC"), MissedPolicy::kFireAll, last, now);
  ASSERT_EQ(due.fires.size(), 100u);
  EXPECT_EQ(due.fires.front().at, utc("2026-11-21T10:21:00Z"));
  EXPECT_EQ(due.fires.back().at, utc("2026-11-21T12:00:00Z"));
  EXPECT_EQ(due_fires(cron("* * * * *"), zone("UTC"), MissedPolicy::kFireOnce, last, now).fires,
            (std::vector<Fire>{{utc("2026-11-21T12:00:00Z"), 36 * 60 - 1}}));
}

TEST(DueFires, that_were_missed_years_ago_are_found) {
  const auto due = due_fires(cron("0 0 29 2 *"), zone("UTC"), MissedPolicy::kFireOnce,
                             utc("2021-01-01T00:00:00Z"), utc("2027-01-01T00:00:00Z"));
  EXPECT_EQ(due.fires, (std::vector<Fire>{{utc("2024-02-29T00:00:00Z")}}));
}

TEST(DueFires, of_decades_are_counted_in_moderation) {
  const auto due = due_fires(cron("* * * * *"), zone("UTC"), MissedPolicy::kFireOnce,
                             utc("1970-01-01T00:00:00Z"), utc("2026-11-21T00:00:00Z"));
  EXPECT_EQ(due.fires, (std::vector<Fire>{{utc("2026-11-21T00:00:00Z"), 100'000}}));
}

TEST(DueFires, do_not_come_twice_when_the_clock_is_put_back) {
  const Time handled = utc("2026-11-21T09:00:00Z");
  const auto due = due_fires(cron("0 9 * * *"), zone("UTC"), MissedPolicy::kFireAll, handled,
                             utc("2026-11-21T08:30:00Z"));
  EXPECT_TRUE(due.fires.empty());
  EXPECT_EQ(due.handled, handled);
  EXPECT_EQ(due.next, utc("2026-11-22T09:00:00Z"));
}

TEST(DueFires, go_on_after_a_clock_that_was_years_ahead) {
  const Time now = utc("2026-11-21T08:30:00Z");
  const auto due = due_fires(cron("0 9 * * *"), zone("UTC"), MissedPolicy::kFireAll,
                             utc("2038-01-19T00:00:00Z"), now);
  EXPECT_TRUE(due.fires.empty());
  EXPECT_EQ(due.handled, now);
  EXPECT_EQ(due.next, utc("2026-11-21T09:00:00Z"));
}

TEST(DueFires, have_ids_of_schedule_and_instant) {
  EXPECT_EQ(fire_id("weekly-plan", utc("2026-11-23T08:00:00Z")),
            "weekly-plan@2026-11-23T08:00:00Z");
}

TEST(CheckSchedules, names_every_zone_that_is_unknown) {
  AgentSpec spec = default_spec();
  spec.schedules = {{"a", "@daily", "UTC"}, {"b", "@daily", "Europe/Atlantis"}};
  const auto checked = check_schedules(spec);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::kInvalidRequest);
  EXPECT_EQ(checked.error().detail,
            "spec.schedules[1].timeZone is \"Europe/Atlantis\" but must be a time zone of the IANA "
            "database such as Europe/Stockholm");
  spec.schedules.pop_back();
  EXPECT_TRUE(check_schedules(spec));
}

}  // namespace
}  // namespace oa::runtime
