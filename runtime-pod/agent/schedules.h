// The rows of an agent's declared schedules: made to fit its manifest, and moved on when they fire.
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// Due at `row.next`. Its number is the next ordinal (agent/tick.h).
ItemWrite schedule_item(const std::string& name, const ScheduleRow& row);

// What makes the rows fit the spec: new ones, changed ones, and removals. A schedule whose cron and
// time zone are as before keeps its next fire. INVALID_REQUEST for one that never fires.
Result<std::vector<ItemWrite>> fit_schedules(const std::vector<Schedule>& schedules,
                                             const std::vector<Item>& rows, Time now);

// What comes of a schedule that is due.
struct Fired {
  bool run = true;          // a tick is to run for it
  Time at;                  // of that tick: the row's, or the latest of those that were missed
  std::int64_t missed = 0;  // fires before it that it stands for
  ScheduleRow next;         // its row from then on
};
Result<Fired> after_fire(const Schedule& schedule, const ScheduleRow& row, Time now);

}  // namespace oa::runtime
