// Cron expressions: when a schedule fires, in local time without a zone.
//
// Five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12 or jan-dec) and day of
// week (0-7 or sun-sat; 0 and 7 are Sunday). Each is a list of `*`, `5`, `1-5`, `*/15`, `1-31/2` or
// `5/15` (from 5 on), joined by commas. If both day fields are restricted, a day matches that fits
// one of them; a day field that begins with `*` restricts nothing but by its step. One of @hourly,
// @daily, @midnight, @weekly, @monthly, @yearly and @annually stands for all five.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <bitset>
#include <chrono>
#include <string_view>

#include "core/result.h"

namespace oa {

// A minute on somebody's wall.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;

// An expression that matches some minute; made by `parse_cron` alone.
class Cron {
 public:
  // The first match after `after`. There is one within 40 years.
  LocalMinute next(LocalMinute after) const;

  // All hours match: such a schedule is about elapsed time ("every 15 minutes"), not about a time
  // of day.
  bool every_hour() const { return hours_.all(); }

  bool operator==(const Cron&) const = default;

 private:
  friend Result<Cron> parse_cron(std::string_view text);
  Cron() = default;

  bool matches(std::chrono::year_month_day day, std::chrono::weekday weekday) const;
  bool matches_some_day() const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;    // 1 to 31
  std::bitset<13> months_;  // 1 to 12
  std::bitset<7> weekdays_;
  bool either_day_ = false;  // both day fields are restricted
};

// INVALID_REQUEST names the part that is wrong. Refuses what never matches, such as 30 February.
Result<Cron> parse_cron(std::string_view text);

}  // namespace oa
