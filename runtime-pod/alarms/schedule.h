// When schedules fire.
//
// A schedule is about a time of day, unless its hour is a wildcard. When clocks are put forward, it
// fires for the minutes that they pass over at the first instant after, once; when they are put
// back, it fires the first time that they show its minute. With a wildcard hour it is about elapsed
// time, and fires whenever the clocks show its minute: every 15 minutes stays every 15 minutes.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/cron.h"
#include "core/result.h"
#include "runtime-pod/alarms/time_zone.h"

namespace oa::runtime {

// The first fire after `after`.
Time next_fire(const Cron& cron, const TimeZone& zone, Time after);

struct Fire {
  Time at;
  std::int64_t missed = 0;  // earlier ones that this one stands for; 100,000 may be more

  bool operator==(const Fire&) const = default;
};

struct DueFires {
  std::vector<Fire> fires;  // to be run, in order
  Time handled;             // `last_handled` of the next call; kept with what became of `fires`
  Time next;                // when to call again: after `handled`
};

// What a schedule whose fires were seen to up to `last_handled` owes at `now`. A time is on time
// for a minute, and missed then. Of many missed ones kFireAll gives the last 100.
//
// A clock that was put back runs nothing twice; if it was by more than a day, it was wrong before,
// and the schedule goes on from `now`.
DueFires due_fires(const Cron& cron, const TimeZone& zone, MissedPolicy policy, Time last_handled,
                   Time now);

// "weekly-plan@2026-11-23T08:00:00Z": the id of the envelope of a fire, the same whenever it is
// worked out.
std::string fire_id(std::string_view schedule, Time at);

// INVALID_REQUEST names every schedule whose time zone the database does not have.
Result<void> check_schedules(const AgentSpec& spec);

}  // namespace oa::runtime
