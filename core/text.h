// Text forms of time, durations and quantities as manifests and wire formats carry them.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace oa {

// `30s`, `5m`, `1h30m`, `800ms`, `0s`: one or more of <digits><unit> with units h, m, s, ms in
// falling order, each at most once. At most 10 years. Errors name the text.
Result<Duration> parse_duration(std::string_view text);

// The shortest form that `parse_duration` reads back: 90 s is `1m30s`. Sub-millisecond parts are
// dropped.
std::string format_duration(Duration duration);

// A Kubernetes quantity in its base unit, rounded up as Kubernetes does: `1Gi` is 1073741824,
// `100m` is 1 (0.1 rounded up), `1e3` is 1000. Suffixes n u m k M G T P E, Ki Mi Gi Ti Pi Ei, and
// decimal exponents. Not negative, and at most 2^63-1. Grammar: apimachinery's `resource.Quantity`.
Result<std::int64_t> parse_quantity(std::string_view text);

// The same in thousandths: `100m` is 100. For CPU.
Result<std::int64_t> parse_quantity_milli(std::string_view text);

// RFC 3339 in UTC: `2026-11-21T08:00:00Z`.
std::string format_time_seconds(Time time);
// With three, or Kubernetes' six (MicroTime), digits after the point.
std::string format_time_millis(Time time);
std::string format_time_micros(Time time);

// Any RFC 3339 time with `Z` or a numeric offset, and up to nine digits after the point (cut to
// microseconds).
Result<Time> parse_time(std::string_view text);

// A valid UTF-8 string (RFC 3629: no surrogates, no overlong forms, nothing over U+10FFFF).
bool is_utf8(std::string_view bytes);

// At most `limit` bytes of `text`, never cutting a UTF-8 sequence in two; "..." marks the cut.
std::string shorten(std::string_view text, std::size_t limit);

}  // namespace oa
