#include "core/text.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <optional>

namespace oa {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

Error bad(std::string_view what, std::string_view text, std::string_view must) {
  return make_error(Code::kInvalidRequest,
                    std::string(what) + " \"" + shorten(text, 64) + "\" must " + std::string(must));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

struct Unit {
  std::string_view name;
  std::int64_t micros;
};
constexpr std::array<Unit, 4> kUnits{
    {{"h", 3'600'000'000}, {"m", 60'000'000}, {"s", 1'000'000}, {"ms", 1'000}}};
constexpr std::int64_t kMaxDuration = 10LL * 365 * 24 * 3'600'000'000;

// A decimal number times a power of ten, kept exact: `digits` x 10^`exponent`.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

struct Suffix {
  std::string_view name;
  int ten;  // power of ten
  int two;  // power of two
};
constexpr std::array<Suffix, 16> kSuffixes{{{"", 0, 0},
                                            {"n", -9, 0},
                                            {"u", -6, 0},
                                            {"m", -3, 0},
                                            {"k", 3, 0},
                                            {"M", 6, 0},
                                            {"G", 9, 0},
                                            {"T", 12, 0},
                                            {"P", 15, 0},
                                            {"E", 18, 0},
                                            {"Ki", 0, 10},
                                            {"Mi", 0, 20},
                                            {"Gi", 0, 30},
                                            {"Ti", 0, 40},
                                            {"Pi", 0, 50},
                                            {"Ei", 0, 60}}};

// The value of a decimal times 2^two, rounded up; nothing when it does not fit.
std::optional<std::int64_t> round_up(const Decimal& decimal, int two) {
  __extension__ using Wide = unsigned __int128;
  constexpr Wide kLimit = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
  Wide value = 0;
  for (char c : decimal.digits) {
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > (kLimit << 40)) return std::nullopt;
  }
  // Dividing by ten before multiplying by two would round twice, so the remainder is carried as a
  // flag.
  int ten = decimal.exponent;
  for (; two > 0 && value <= (kLimit << 40); --two) value *= 2;
  if (two > 0) return std::nullopt;
  bool rest = false;
  for (; ten < 0 && value > 0; ++ten) {
    rest = rest || value % 10 != 0;
    value /= 10;
  }
  for (; ten > 0 && value > 0; --ten) {
    value *= 10;
    if (value > (kLimit << 40)) return std::nullopt;
  }
  if (rest) ++value;
  if (value > kLimit) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

constexpr std::string_view kQuantityRule =
    "be a non-negative quantity such as 10Gi, 500M, 100m or 2, and at most 2^63-1";

Result<std::int64_t> parse_scaled_quantity(std::string_view text, int extra_ten) {
  std::string_view rest = text;
  if (!rest.empty() && rest.front() == '+') rest.remove_prefix(1);
  Decimal decimal;
  std::string_view whole = take_digits(rest);
  decimal.digits = whole;
  bool any = !whole.empty();
  if (!rest.empty() && rest.front() == '.') {
    rest.remove_prefix(1);
    std::string_view fraction = take_digits(rest);
    any = any || !fraction.empty();
    decimal.digits += fraction;
    decimal.exponent = -static_cast<int>(fraction.size());
  }
  if (!any || text.size() > 64) return bad("quantity", text, kQuantityRule);
  decimal.digits.erase(0, std::min(decimal.digits.find_first_not_of('0'), decimal.digits.size()));
  decimal.exponent += extra_ten;
  for (const Suffix& suffix : kSuffixes) {
    if (rest != suffix.name) continue;
    decimal.exponent += suffix.ten;
    if (auto value = round_up(decimal, suffix.two)) return *value;
    return bad("quantity", text, kQuantityRule);
  }
  if (rest.size() >= 2 && (rest.front() == 'e' || rest.front() == 'E')) {
    const bool plus = rest[1] == '+' && rest.substr(2, 1) != "-";
    std::string_view number = rest.substr(plus ? 2 : 1);
    int exponent = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), exponent);
    if (error == std::errc() && end == number.data() + number.size() && exponent >= -18 &&
        exponent <= 18) {
      decimal.exponent += exponent;
      if (auto value = round_up(decimal, 0)) return *value;
    }
  }
  return bad("quantity", text, kQuantityRule);
}

std::string format_time(Time time, int digits) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const auto since = time - day;
  const auto seconds = duration_cast<std::chrono::seconds>(since).count();
  const auto micros = (since % std::chrono::seconds(1)).count();
  std::array<char, 80> out{};
  int n = std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d",
                        static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                        static_cast<unsigned>(date.day()), static_cast<int>(seconds / 3600),
                        static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  std::string text(out.data(), static_cast<std::size_t>(n));
  if (digits > 0) {
    n = std::snprintf(out.data(), out.size(), ".%06d", static_cast<int>(micros));
    text.append(out.data(), static_cast<std::size_t>(digits) + 1);
  }
  return text + "Z";
}

// Exactly `count` digits from the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  int value = 0;
  if (text.size() < count) return std::nullopt;
  for (char c : text.substr(0, count)) {
    if (!is_digit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take_char(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+hh:mm", as the offset from UTC.
std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take_char(text, "Zz")) return std::chrono::minutes(0);
  const bool minus = !text.empty() && text.front() == '-';
  if (!take_char(text, "+-")) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || !take_char(text, ":")) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  const std::chrono::minutes offset(*hours * 60 + *minutes);
  return minus ? -offset : offset;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take_char(text, "-")) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take_char(text, "-")) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<Duration> take_time_of_day(std::string_view& text) {
  const auto hour = take_number(text, 2);
  if (!hour || !take_char(text, ":")) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || !take_char(text, ":")) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  std::int64_t micros = 0;
  if (take_char(text, ".")) {
    std::string_view digits = take_digits(text);
    if (digits.empty() || digits.size() > 9) return std::nullopt;
    std::string padded(digits.substr(0, 6));
    padded.append(6 - padded.size(), '0');
    for (char c : padded) micros = micros * 10 + (c - '0');
  }
  return Duration((*hour * 3600LL + *minute * 60 + *second) * 1'000'000 + micros);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const Error error =
      bad("duration", text, "be like 30s, 5m, 1h30m or 800ms, and at most 10 years");
  if (text.empty() || text.size() > 32) return error;
  std::string_view rest = text;
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!rest.empty()) {
    std::string_view digits = take_digits(rest);
    std::int64_t number = 0;
    if (digits.empty() || digits.size() > 15) return error;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    std::size_t letters = 0;
    while (letters < rest.size() && !is_digit(rest[letters])) ++letters;
    std::size_t unit = next_unit;
    while (unit < kUnits.size() && kUnits[unit].name != rest.substr(0, letters)) ++unit;
    if (unit == kUnits.size() || number > kMaxDuration / kUnits[unit].micros) return error;
    total += number * kUnits[unit].micros;
    if (total > kMaxDuration) return error;
    next_unit = unit + 1;
    rest.remove_prefix(letters);
  }
  return Duration(total);
}

std::string format_duration(Duration duration) {
  std::int64_t rest = duration.count();
  std::string text;
  for (const Unit& unit : kUnits) {
    if (const std::int64_t n = rest / unit.micros; n > 0)
      text += std::to_string(n) + std::string(unit.name);
    rest %= unit.micros;
  }
  return text.empty() ? "0s" : text;
}

Result<std::int64_t> parse_quantity(std::string_view text) {
  return parse_scaled_quantity(text, 0);
}
Result<std::int64_t> parse_quantity_milli(std::string_view text) {
  return parse_scaled_quantity(text, 3);
}

std::string format_time_seconds(Time time) { return format_time(time, 0); }
std::string format_time_millis(Time time) { return format_time(time, 3); }
std::string format_time_micros(Time time) { return format_time(time, 6); }

Result<Time> parse_time(std::string_view text) {
  std::string_view rest = text;
  const auto date = take_date(rest);
  if (date && take_char(rest, "Tt ")) {
    const auto of_day = take_time_of_day(rest);
    const auto offset = of_day ? take_offset(rest) : std::nullopt;
    if (offset && rest.empty()) return Time(*date) + *of_day - *offset;
  }
  return bad("time", text, "be RFC 3339 such as 2026-11-21T08:00:00Z");
}

bool is_utf8(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || i + length > bytes.size()) return false;
    char32_t point = lead & (0xFF >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(bytes[i + k]);
      if ((byte & 0xC0) != 0x80) return false;
      point = point << 6 | (byte & 0x3F);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += length;
  }
  return true;
}

std::string shorten(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  std::size_t end = limit > 3 ? limit - 3 : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace oa
