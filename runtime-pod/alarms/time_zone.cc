#include "runtime-pod/alarms/time_zone.h"

#include <date/tz.h>
#include <exception>

namespace oa::runtime {
namespace {

// Below these the system may keep the whole database again: with leap seconds counted, and without.
bool is_alternative(const std::string& name) {
  return name.starts_with("right/") || name.starts_with("posix/");
}

}  // namespace

Result<TimeZone> TimeZone::find(const std::string& name) {
  std::string reason = "there is no such zone";
  try {
    if (!is_alternative(name)) return TimeZone(*date::locate_zone(name));
  } catch (const std::exception& error) {
    reason = error.what();
  }
  return make_error(Code::kInvalidRequest, "the time zone \"" + name +
                                               "\" must be one of the IANA database such as "
                                               "Europe/Stockholm: " +
                                               reason);
}

ZonePeriod TimeZone::period(Time at) const {
  const date::sys_info info = zone_->get_info(at);
  return {.begin = info.begin, .end = info.end, .offset = info.offset};
}

LocalInstants TimeZone::instants(LocalMinute minute) const {
  const date::local_seconds local(minute.time_since_epoch());
  const date::local_info info = zone_->get_info(local);
  if (info.result == date::local_info::nonexistent)
    return {LocalInstants::Kind::kNone, info.first.end, info.first.end};
  const date::sys_seconds first(local.time_since_epoch() - info.first.offset);
  if (info.result == date::local_info::unique) return {LocalInstants::Kind::kOne, first, first};
  const date::sys_seconds second(local.time_since_epoch() - info.second.offset);
  return {LocalInstants::Kind::kTwo, first, second};
}

}  // namespace oa::runtime
