#include "runtime-pod/alarms/schedule.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/text.h"

namespace oa::runtime {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr std::size_t kMostFires = 100;
constexpr std::int64_t kMostCounted = 100'000;
constexpr minutes kOnTime{1};

// The first instant from `from` on at which the clocks show a minute that matches.
Time next_shown(const Cron& cron, const TimeZone& zone, Time from) {
  for (;;) {
    const ZonePeriod period = zone.period(from);
    const LocalMinute first = std::chrono::ceil<minutes>(period.local(from));
    const Time at(cron.next(first - minutes(1)).time_since_epoch() - period.offset);
    if (at < period.end) return at;
    from = period.end;
  }
}

struct Passed {
  std::int64_t count = 0;
  std::vector<Time> last;  // at most kMostFires
};

Passed passed_since(const Cron& cron, const TimeZone& zone, Time after, Time now) {
  Passed out;
  for (Time at = next_fire(cron, zone, after); at <= now; at = next_fire(cron, zone, at)) {
    ++out.count;
    if (out.last.size() == kMostFires) out.last.erase(out.last.begin());
    out.last.push_back(at);
  }
  return out;
}

// The fires in (after, now]; at least `wanted` of them if there are so many. A schedule may have
// missed millions: it looks back no further than it must.
Passed passed(const Cron& cron, const TimeZone& zone, Time after, Time now, std::int64_t wanted) {
  for (Duration window = days(1);; window *= 2) {
    const bool whole = now - after <= window;
    Passed out = passed_since(cron, zone, whole ? after : now - window, now);
    if (whole || out.count >= wanted) return out;
  }
}

}  // namespace

Time next_fire(const Cron& cron, const TimeZone& zone, Time after) {
  if (cron.every_hour()) return next_shown(cron, zone, after + Duration(1));
  // Minutes in their order never fire in another order, so that the search can begin with what the
  // clocks show now; it passes over minutes that are shown for the second time.
  LocalMinute minute = std::chrono::floor<minutes>(zone.period(after).local(after));
  for (;;) {
    minute = cron.next(minute);
    const Time at = zone.instants(minute).first;
    if (at > after) return at;
  }
}

DueFires due_fires(const Cron& cron, const TimeZone& zone, MissedPolicy policy, Time last_handled,
                   Time now) {
  if (last_handled > now + days(1)) last_handled = now;
  DueFires out;
  out.handled = std::max(last_handled, now);
  out.next = next_fire(cron, zone, out.handled);
  if (last_handled >= now) return out;
  switch (policy) {
    case MissedPolicy::kFireOnce: {
      const Passed due = passed(cron, zone, last_handled, now, kMostCounted);
      if (due.count > 0)
        out.fires.push_back({due.last.back(), std::min(due.count - 1, kMostCounted)});
      break;
    }
    case MissedPolicy::kFireAll:
      for (const Time at : passed(cron, zone, last_handled, now, kMostFires).last)
        out.fires.push_back({at});
      break;
    case MissedPolicy::kSkip: {
      const Time since = std::max(last_handled, now - kOnTime - Duration(1));
      const Passed due = passed_since(cron, zone, since, now);
      if (due.count > 0) out.fires.push_back({due.last.back()});
      break;
    }
  }
  return out;
}

std::string fire_id(std::string_view schedule, Time at) {
  return std::string(schedule) + "@" + format_time_seconds(at);
}

Result<void> check_schedules(const AgentSpec& spec) {
  std::vector<FieldError> errors;
  for (std::size_t i = 0; i < spec.schedules.size(); ++i) {
    const std::string& zone = spec.schedules[i].time_zone;
    if (TimeZone::find(zone)) continue;
    errors.push_back({"spec.schedules[" + std::to_string(i) + "].timeZone",
                      "\"" + shorten(zone, 62) + "\"",
                      "be a time zone of the IANA database such as Europe/Stockholm"});
  }
  if (!errors.empty()) return invalid_fields(std::move(errors));
  return {};
}

}  // namespace oa::runtime
