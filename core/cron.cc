#include "core/cron.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace oa {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;

struct FieldRange {
  const char* name;
  int low;
  int high;
  const char* first_name;  // of `names`; what its first entry stands for is `low`
  std::array<std::string_view, 12> names;
};

constexpr std::array<FieldRange, 5> kFields = {{
    {"minute", 0, 59, nullptr, {}},
    {"hour", 0, 23, nullptr, {}},
    {"day of month", 1, 31, nullptr, {}},
    {"month",
     1,
     12,
     "jan",
     {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
    {"day of week", 0, 7, "sun", {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}};
constexpr std::size_t kWeekday = 4;

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Error wrong(const FieldRange& field, std::string_view part, const std::string& must) {
  return make_error(Code::kInvalidRequest, "the " + std::string(field.name) + " \"" +
                                               std::string(part) + "\" must " + must);
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.front() == '-')
    return std::nullopt;
  return value;
}

std::string range_text(const FieldRange& field) {
  std::string text =
      "be between " + std::to_string(field.low) + " and " + std::to_string(field.high);
  if (field.first_name) text += ", or a name such as " + std::string(field.first_name);
  return text;
}

Result<int> parse_value(const FieldRange& field, std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (std::size_t i = 0; !lower.empty() && i < field.names.size(); ++i) {
    if (field.names[i] == lower) return field.low + static_cast<int>(i);
  }
  const auto value = number(text);
  if (!value || *value < field.low || *value > field.high)
    return wrong(field, text, range_text(field));
  return *value;
}

struct Range {
  int low;
  int high;
  int step = 1;
};

// `*`, `5`, `1-5`, each with or without `/step`.
Result<Range> parse_range(std::size_t which, std::string_view part) {
  const FieldRange& field = kFields[which];
  const std::size_t slash = part.find('/');
  const std::string_view base = part.substr(0, slash);
  Range range{field.low, field.high};
  if (base != "*") {
    const std::size_t dash = base.find('-');
    const auto low = parse_value(field, base.substr(0, dash));
    if (!low) return low.error();
    range.low = *low;
    if (dash != std::string_view::npos) {
      const auto high = parse_value(field, base.substr(dash + 1));
      if (!high) return high.error();
      // Sunday ends a week as well as it begins one: fri-sun.
      range.high = which == kWeekday && *high == 0 && *low > 0 ? 7 : *high;
    } else if (slash == std::string_view::npos) {
      range.high = range.low;
    }
    if (range.high < range.low) return wrong(field, part, "not begin after it ends");
  }
  if (slash != std::string_view::npos) {
    const auto step = number(part.substr(slash + 1));
    if (!step || *step < 1 || *step > field.high)
      return wrong(field, part, "have a step between 1 and " + std::to_string(field.high));
    range.step = *step;
  }
  return range;
}

// The values of one field; 7 as a day of the week stays 7.
Result<std::bitset<60>> parse_field(std::size_t which, std::string_view text) {
  std::bitset<60> values;
  for (const std::string_view part : split(text, ',')) {
    const auto range = parse_range(which, part);
    if (!range) return range.error();
    for (int value = range->low; value <= range->high; value += range->step)
      values.set(static_cast<std::size_t>(value));
  }
  return values;
}

template <std::size_t N>
std::bitset<N> narrowed(const std::bitset<60>& values) {
  std::bitset<N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = values[i];
  return out;
}

}  // namespace

bool Cron::matches(std::chrono::year_month_day day, std::chrono::weekday weekday) const {
  const bool in_month = days_[static_cast<unsigned>(day.day())];
  const bool in_week = weekdays_[weekday.c_encoding()];
  return either_day_ ? in_month || in_week : in_month && in_week;
}

// A day of the month up to the 28th meets every day of the week sooner or later, and so does
// 29 February: only days that a month never has can fail to match.
bool Cron::matches_some_day() const {
  static constexpr std::array<unsigned, 13> kLongest = {0,  31, 29, 31, 30, 31, 30,
                                                        31, 31, 30, 31, 30, 31};
  if (either_day_) return true;
  for (std::size_t month = 1; month <= 12; ++month) {
    for (std::size_t day = 1; months_[month] && day <= kLongest[month]; ++day) {
      if (days_[day]) return true;
    }
  }
  return false;
}

LocalMinute Cron::next(LocalMinute after) const {
  const LocalMinute first = after + minutes(1);
  local_days day = std::chrono::floor<days>(first);
  for (minutes from = first - day;; day += days(1), from = minutes(0)) {
    const std::chrono::year_month_day date(day);
    if (!months_[static_cast<unsigned>(date.month())]) {
      day = local_days(date.year() / date.month() / std::chrono::last);
      continue;
    }
    if (!matches(date, std::chrono::weekday(day))) continue;
    for (minutes at = from; at < hours(24); at += minutes(1)) {
      const auto hour = static_cast<std::size_t>(at / hours(1));
      if (!hours_[hour]) {
        at = hours(hour) + minutes(59);
      } else if (minutes_[static_cast<std::size_t>(at.count() % 60)]) {
        return day + at;
      }
    }
  }
}

Result<Cron> parse_cron(std::string_view text) {
  const auto macro = std::find_if(kMacros.begin(), kMacros.end(),
                                  [&](const auto& entry) { return entry.first == text; });
  if (macro != kMacros.end()) text = macro->second;
  auto fields = split(text, ' ');
  std::erase(fields, "");
  if (fields.size() != kFields.size()) {
    return make_error(Code::kInvalidRequest,
                      "it must have five fields, and has " + std::to_string(fields.size()));
  }
  std::array<std::bitset<60>, kFields.size()> values;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto parsed = parse_field(i, fields[i]);
    if (!parsed) return parsed.error();
    values[i] = *parsed;
  }
  if (values[kWeekday][7]) values[kWeekday].set(0);
  Cron cron;
  cron.minutes_ = values[0];
  cron.hours_ = narrowed<24>(values[1]);
  cron.days_ = narrowed<32>(values[2]);
  cron.months_ = narrowed<13>(values[3]);
  cron.weekdays_ = narrowed<7>(values[kWeekday]);
  cron.either_day_ = !fields[2].starts_with('*') && !fields[kWeekday].starts_with('*');
  if (!cron.matches_some_day()) {
    return make_error(Code::kInvalidRequest,
                      "some month must have the day of month \"" + std::string(fields[2]) + "\"");
  }
  return cron;
}

}  // namespace oa
