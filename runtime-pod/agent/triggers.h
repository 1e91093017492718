// The triggers that the runtime itself makes: of alarms and of schedules.
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstdint>
#include <string>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "runtime-pod/agent/rows.h"

namespace oa::runtime {

// The envelope id is the alarm's name and generation: the same however often it is fired.
Trigger alarm_trigger(const AlarmRow& row, std::int64_t generation, Time now);

// The envelope id is the schedule's name and the instant that it was due.
Trigger schedule_trigger(const Schedule& schedule, const ScheduleRow& row, std::int64_t missed);

}  // namespace oa::runtime
