#include "runtime-pod/alarms/time_zone.h"

#include <gtest/gtest.h>

#include "core/text.h"

namespace oa::runtime {
namespace {

using namespace std::chrono_literals;
using Kind = LocalInstants::Kind;

Time utc(const char* text) { return parse_time(text).value(); }

LocalMinute local(const char* text) {
  return LocalMinute(std::chrono::floor<std::chrono::minutes>(utc(text)).time_since_epoch());
}

// When clocks that show `minute` do so; "2026-03-29T02:30:00Z" stands for 02:30 on their wall.
void expect_instants(const char* zone, const char* minute, Kind kind, const char* first,
                     const char* second) {
  const LocalInstants found = TimeZone::find(zone)->instants(local(minute));
  EXPECT_EQ(found.kind, kind) << zone << " " << minute;
  EXPECT_EQ(format_time_seconds(found.first), first) << zone << " " << minute;
  EXPECT_EQ(format_time_seconds(found.second), second) << zone << " " << minute;
}

TEST(TimeZone, knows_when_clocks_show_a_minute) {
  expect_instants("UTC", "2026-03-29T02:30:00Z", Kind::kOne, "2026-03-29T02:30:00Z",
                  "2026-03-29T02:30:00Z");
  expect_instants("Asia/Kolkata", "2026-03-29T02:30:00Z", Kind::kOne, "2026-03-28T21:00:00Z",
                  "2026-03-28T21:00:00Z");
  expect_instants("Europe/Stockholm", "2026-07-01T12:00:00Z", Kind::kOne, "2026-07-01T10:00:00Z",
                  "2026-07-01T10:00:00Z");
}

TEST(TimeZone, knows_minutes_that_are_passed_over) {
  expect_instants("Europe/Stockholm", "2026-03-29T02:30:00Z", Kind::kNone, "2026-03-29T01:00:00Z",
                  "2026-03-29T01:00:00Z");
  expect_instants("America/New_York", "2026-03-08T02:00:00Z", Kind::kNone, "2026-03-08T07:00:00Z",
                  "2026-03-08T07:00:00Z");
  // Half an hour.
  expect_instants("Australia/Lord_Howe", "2026-10-04T02:15:00Z", Kind::kNone,
                  "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z");
  // A whole day, when the date line moved.
  expect_instants("Pacific/Apia", "2011-12-30T09:00:00Z", Kind::kNone, "2011-12-30T10:00:00Z",
                  "2011-12-30T10:00:00Z");
}

TEST(TimeZone, knows_minutes_that_come_twice) {
  expect_instants("Europe/Stockholm", "2026-10-25T02:30:00Z", Kind::kTwo, "2026-10-25T00:30:00Z",
                  "2026-10-25T01:30:00Z");
  expect_instants("America/New_York", "2026-11-01T01:00:00Z", Kind::kTwo, "2026-11-01T05:00:00Z",
                  "2026-11-01T06:00:00Z");
  expect_instants("Australia/Lord_Howe", "2026-04-05T01:45:00Z", Kind::kTwo, "2026-04-04T14:45:00Z",
                  "2026-04-04T15:15:00Z");
}

TEST(TimeZone, knows_how_far_clocks_are_from_utc_and_for_how_long) {
  const ZonePeriod summer = TimeZone::find("Europe/Stockholm")->period(utc("2026-07-01T00:00:00Z"));
  EXPECT_EQ(summer.offset, 2h);
  EXPECT_EQ(format_time_seconds(summer.begin), "2026-03-29T01:00:00Z");
  EXPECT_EQ(format_time_seconds(summer.end), "2026-10-25T01:00:00Z");
  EXPECT_EQ(TimeZone::find("Australia/Lord_Howe")->period(utc("2026-07-01T00:00:00Z")).offset,
            10h + 30min);
  EXPECT_EQ(TimeZone::find("Europe/Stockholm")->period(utc("2036-07-01T00:00:00Z")).offset, 2h);
}

TEST(TimeZone, refuses_a_name_that_the_database_does_not_have) {
  for (const char* name : {"Mars/Olympus_Mons", "", "europe/stockholm", "../../etc/passwd",
                           "right/Europe/Stockholm", "posix/Europe/Stockholm"}) {
    const auto zone = TimeZone::find(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().code, Code::kInvalidRequest);
    EXPECT_NE(zone.error().detail.find("\"" + std::string(name) + "\""), std::string::npos)
        << zone.error().detail;
  }
}

}  // namespace
}  // namespace oa::runtime
