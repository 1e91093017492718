#include "core/cron.h"

#include <iomanip>
#include <sstream>

#include <gtest/gtest.h>

namespace oa {
namespace {

using namespace std::chrono_literals;

LocalMinute at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  return std::chrono::local_days(std::chrono::year(year) / month / day) + std::chrono::hours(hour) +
         std::chrono::minutes(minute);
}

// "2026-11-21 08:00 Sat"
std::string shown(LocalMinute time) {
  static constexpr const char* kWeekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::ostringstream out;
  out << std::setfill('0') << static_cast<int>(date.year()) << '-' << std::setw(2)
      << static_cast<unsigned>(date.month()) << '-' << std::setw(2)
      << static_cast<unsigned>(date.day()) << ' ' << std::setw(2) << clock.hours().count() << ':'
      << std::setw(2) << clock.minutes().count() << ' '
      << kWeekdays[std::chrono::weekday(day).c_encoding()];
  return out.str();
}

// A Saturday.
const LocalMinute kNow = at(2026, 11, 21, 8, 0);

TEST(Cron, finds_the_next_minute_that_matches) {
  const std::pair<const char*, const char*> rows[] = {
      {"* * * * *", "2026-11-21 08:01 Sat"},
      {"*/15 * * * *", "2026-11-21 08:15 Sat"},
      {"5/20 * * * *", "2026-11-21 08:05 Sat"},
      {"0 8 * * *", "2026-11-22 08:00 Sun"},
      {"0 9 * * 1", "2026-11-23 09:00 Mon"},
      {"0 9 * * MON-fri", "2026-11-23 09:00 Mon"},
      {"0 9 * * 7", "2026-11-22 09:00 Sun"},
      {"0 9 * * 0", "2026-11-22 09:00 Sun"},
      {"0 0 * * fri-sun", "2026-11-22 00:00 Sun"},
      {"30 6-10/2,23 * * *", "2026-11-21 08:30 Sat"},
      {"0 0 31 * *", "2026-12-31 00:00 Thu"},
      {"0 0 31 2,4,6 */2", "never"},
      {"0 12 1 jan *", "2027-01-01 12:00 Fri"},
      {"  0   12 1  Feb-mar   * ", "2027-02-01 12:00 Mon"},
      {"0 0 29 2 *", "2028-02-29 00:00 Tue"},
      {"@hourly", "2026-11-21 09:00 Sat"},
      {"@daily", "2026-11-22 00:00 Sun"},
      {"@midnight", "2026-11-22 00:00 Sun"},
      {"@weekly", "2026-11-22 00:00 Sun"},
      {"@monthly", "2026-12-01 00:00 Tue"},
      {"@yearly", "2027-01-01 00:00 Fri"},
      {"@annually", "2027-01-01 00:00 Fri"},
  };
  for (const auto& [text, wanted] : rows) {
    const auto cron = parse_cron(text);
    EXPECT_EQ(cron ? shown(cron->next(kNow)) : "never", wanted) << text;
  }
}

TEST(Cron, takes_either_day_field_when_both_are_restricted) {
  const auto either = parse_cron("0 0 13 * 5");
  ASSERT_TRUE(either);
  EXPECT_EQ(shown(either->next(kNow)), "2026-11-27 00:00 Fri");
  EXPECT_EQ(shown(either->next(at(2026, 12, 11))), "2026-12-13 00:00 Sun");
  // 30 February is no day, Fridays are.
  const auto fridays = parse_cron("0 0 30 2 5");
  ASSERT_TRUE(fridays);
  EXPECT_EQ(shown(fridays->next(kNow)), "2027-02-05 00:00 Fri");
}

TEST(Cron, takes_both_day_fields_when_one_begins_with_a_star) {
  const auto both = parse_cron("0 0 */2 * 5");
  ASSERT_TRUE(both);
  EXPECT_EQ(shown(both->next(kNow)), "2026-11-27 00:00 Fri");
  EXPECT_EQ(shown(both->next(at(2026, 11, 27))), "2026-12-11 00:00 Fri");
}

TEST(Cron, knows_that_centuries_are_rarely_leap_years) {
  const auto leap = parse_cron("0 0 29 2 *");
  ASSERT_TRUE(leap);
  EXPECT_EQ(shown(leap->next(at(2096, 2, 29))), "2104-02-29 00:00 Fri");
  const auto sundays = parse_cron("0 0 29 2 */7");
  ASSERT_TRUE(sundays);
  EXPECT_EQ(shown(sundays->next(at(2088, 2, 29))), "2128-02-29 00:00 Sun");
}

TEST(Cron, tells_elapsed_time_from_time_of_day) {
  for (const char* text : {"* * * * *", "*/5 */1 * * *", "0 0-23 * * *", "@hourly"})
    EXPECT_TRUE(parse_cron(text)->every_hour()) << text;
  for (const char* text : {"0 */2 * * *", "0 1-23 * * *", "@daily"})
    EXPECT_FALSE(parse_cron(text)->every_hour()) << text;
}

TEST(Cron, says_what_is_wrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "it must have five fields, and has 0"},
      {"* * * *", "it must have five fields, and has 4"},
      {"0 * * * * *", "it must have five fields, and has 6"},
      {"@reboot", "it must have five fields, and has 1"},
      {"60 * * * *", "the minute \"60\" must be between 0 and 59"},
      {"-1 * * * *", "the minute \"\" must be between 0 and 59"},
      {"99999999999999 * * * *", "the minute \"99999999999999\" must be between 0 and 59"},
      {"0 24 * * *", "the hour \"24\" must be between 0 and 23"},
      {"0 22-2 * * *", "the hour \"22-2\" must not begin after it ends"},
      {"0 1-2-3 * * *", "the hour \"2-3\" must be between 0 and 23"},
      {"0 1, * * *", "the hour \"\" must be between 0 and 23"},
      {"*/0 * * * *", "the minute \"*/0\" must have a step between 1 and 59"},
      {"*/ * * * *", "the minute \"*/\" must have a step between 1 and 59"},
      {"*/5/5 * * * *", "the minute \"*/5/5\" must have a step between 1 and 59"},
      {"0 0 0 * *", "the day of month \"0\" must be between 1 and 31"},
      {"0 0 L * *", "the day of month \"L\" must be between 1 and 31"},
      {"0 0 ? * *", "the day of month \"?\" must be between 1 and 31"},
      {"0 0 * 13 *", "the month \"13\" must be between 1 and 12, or a name such as jan"},
      {"0 0 * mon *", "the month \"mon\" must be between 1 and 12, or a name such as jan"},
      {"0 0 * * 8", "the day of week \"8\" must be between 0 and 7, or a name such as sun"},
      {"0 0 * * monday",
       "the day of week \"monday\" must be between 0 and 7, or a name such as sun"},
      {"0 0 * * 5#2", "the day of week \"5#2\" must be between 0 and 7, or a name such as sun"},
      {"0 0 30 2 *", "some month must have the day of month \"30\""},
      {"0 0 31 4,6,9,11 *", "some month must have the day of month \"31\""},
  };
  for (const auto& [text, wanted] : rows) {
    const auto cron = parse_cron(text);
    ASSERT_FALSE(cron) << text;
    EXPECT_EQ(cron.error().code, Code::kInvalidRequest);
    EXPECT_EQ(cron.error().detail, wanted) << text;
  }
}

}  // namespace
}  // namespace oa
