// A time zone of the IANA database, as the system has it (/usr/share/zoneinfo): what the clocks on
// the wall show at an instant, and when they show a minute.
//
// Thread-safety: immutable values; the database is read once for the process.
#pragma once

#include <chrono>
#include <string>

#include "core/clock.h"
#include "core/cron.h"
#include "core/result.h"

namespace date {
class time_zone;
}

namespace oa::runtime {

// A span of time in which the clocks are not changed: [begin, end).
struct ZonePeriod {
  Time begin;
  Time end;
  std::chrono::seconds offset{};  // from UTC, positive to the east

  std::chrono::local_time<Duration> local(Time at) const {
    return std::chrono::local_time<Duration>(at.time_since_epoch() + offset);
  }
};

// The instants at which the clocks show a minute.
struct LocalInstants {
  enum class Kind {
    kOne,   // first == second
    kNone,  // it is passed over when clocks are put forward: at `first` == `second`
    kTwo,   // clocks are put back, and show it at `first` and again at `second`
  };
  Kind kind = Kind::kOne;
  Time first;
  Time second;
};

class TimeZone {
 public:
  // INVALID_REQUEST for a name that the database does not have.
  static Result<TimeZone> find(const std::string& name);

  ZonePeriod period(Time at) const;
  LocalInstants instants(LocalMinute minute) const;

 private:
  explicit TimeZone(const date::time_zone& zone) : zone_(&zone) {}

  const date::time_zone* zone_;  // of the process's database, which is never taken down
};

}  // namespace oa::runtime
