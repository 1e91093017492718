#include "core/text.h"

#include <random>

#include <gtest/gtest.h>

namespace oa {
namespace {

using namespace std::chrono_literals;

TEST(Duration, reads_every_unit_and_their_sums) {
  EXPECT_EQ(*parse_duration("30s"), 30s);
  EXPECT_EQ(*parse_duration("5m"), 5min);
  EXPECT_EQ(*parse_duration("1h30m"), 90min);
  EXPECT_EQ(*parse_duration("800ms"), 800ms);
  EXPECT_EQ(*parse_duration("0s"), 0s);
  EXPECT_EQ(*parse_duration("1h0m5s3ms"), 1h + 5s + 3ms);
}

TEST(Duration, refuses_what_is_not_a_duration_and_names_it) {
  for (const char* text : {"", "30", "s", "30x", "1m1h", "1s1s", "-5s", "1.5h", " 5s", "5s ",
                           "99999999999999999h", "100000h", "5 s", "1hm"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().detail.find("\"" + std::string(text) + "\" must be like 30s"),
              std::string::npos)
        << parsed.error().detail;
  }
}

TEST(Duration, is_written_in_the_form_that_reads_back) {
  EXPECT_EQ(format_duration(90s), "1m30s");
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(1500ms), "1s500ms");
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000; ++i) {
    const Duration duration(static_cast<std::int64_t>(random() % 1'000'000'000) * 1000);
    EXPECT_EQ(*parse_duration(format_duration(duration)), duration) << "seed 7, step " << i;
  }
}

TEST(Quantity, means_what_kubernetes_means) {
  EXPECT_EQ(*parse_quantity("10Gi"), 10LL << 30);
  EXPECT_EQ(*parse_quantity("1Gi"), 1LL << 30);
  EXPECT_EQ(*parse_quantity("500M"), 500'000'000);
  EXPECT_EQ(*parse_quantity("1.5Gi"), 3LL << 29);
  EXPECT_EQ(*parse_quantity("0"), 0);
  EXPECT_EQ(*parse_quantity("0.0"), 0);
  EXPECT_EQ(*parse_quantity("1e3"), 1000);
  EXPECT_EQ(*parse_quantity("1E"), 1'000'000'000'000'000'000);
  EXPECT_EQ(*parse_quantity("12E2"), 1200);
  EXPECT_EQ(*parse_quantity("+5k"), 5000);
  EXPECT_EQ(*parse_quantity(".5k"), 500);
  EXPECT_EQ(*parse_quantity("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(*parse_quantity_milli("100m"), 100);
  EXPECT_EQ(*parse_quantity_milli("1"), 1000);
  EXPECT_EQ(*parse_quantity_milli("0.1"), 100);
}

TEST(Quantity, rounds_up) {
  EXPECT_EQ(*parse_quantity("100m"), 1);
  EXPECT_EQ(*parse_quantity("1.1"), 2);
  EXPECT_EQ(*parse_quantity("0.3Ki"), 308);
  EXPECT_EQ(*parse_quantity("1n"), 1);
}

TEST(Quantity, refuses_the_rest_and_names_it) {
  for (const char* text :
       {"", "Gi", "10GiB", "-1", "1 Gi", "10gi", "1x", "e3", ".", "9223372036854775808", "8Ei",
        "100E", "1e", "1e99", "1e+-3", "0x10", "1_000", "1,5"}) {
    const auto parsed = parse_quantity(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalidRequest);
  }
}

TEST(TimeText, is_utc_with_the_wanted_digits) {
  const Time time = Time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)) + 8h + 5ms + 7us;
  EXPECT_EQ(format_time_seconds(time), "2026-11-21T08:00:00Z");
  EXPECT_EQ(format_time_millis(time), "2026-11-21T08:00:00.005Z");
  EXPECT_EQ(format_time_micros(time), "2026-11-21T08:00:00.005007Z");
}

TEST(TimeText, reads_offsets_and_fractions) {
  const Time eight = *parse_time("2026-11-21T08:00:00Z");
  EXPECT_EQ(*parse_time("2026-11-21T09:30:00+01:30"), eight);
  EXPECT_EQ(*parse_time("2026-11-21T07:00:00-01:00"), eight);
  EXPECT_EQ(*parse_time("2026-11-21T08:00:00.123456789Z"), eight + 123456us);
  EXPECT_TRUE(parse_time("2024-02-29T00:00:00Z"));
}

TEST(TimeText, refuses_impossible_times) {
  for (const char* text :
       {"", "2026-11-21", "2026-02-30T00:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T08:00:00",
        "2026-11-21T08:00Z", "2026-11-21T08:00:00.Z", "2026-11-21T08:00:00Zx", "26-11-21T08:00:00Z",
        "2026-11-21T08:00:00+25:00"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(Utf8, tells_valid_from_invalid) {
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("Zürich 東京 🙂"));
  for (const char* bytes : {"\x80", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                            "\xF5\x80\x80\x80", "\xE2\x82", "a\xFF"}) {
    EXPECT_FALSE(is_utf8(bytes));
  }
}

TEST(Shorten, never_cuts_a_character_in_two) {
  EXPECT_EQ(shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(shorten("abcdefg", 6), "abc...");
  EXPECT_TRUE(is_utf8(shorten("äääääääää", 8)));
}

}  // namespace
}  // namespace oa
