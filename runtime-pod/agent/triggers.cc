#include "runtime-pod/agent/triggers.h"

#include <utility>

#include "core/text.h"
#include "runtime-pod/alarms/schedule.h"

namespace oa::runtime {
namespace {

Payload json_payload(Json json) {
  return {
      .kind = Payload::Kind::kJson, .json = std::move(json), .content_type = "application/json"};
}

}  // namespace

Trigger alarm_trigger(const AlarmRow& row, std::int64_t generation, Time now) {
  Trigger trigger;
  trigger.type = TriggerType::kAlarm;
  trigger.envelope.id = "alarm/" + row.name + "/" + std::to_string(generation);
  trigger.envelope.source = "alarm";
  trigger.envelope.time = now;
  trigger.envelope.traceparent = row.traceparent;
  trigger.envelope.payload = json_payload(
      {{"name", row.name}, {"at", format_time_millis(row.at)}, {"payload", row.payload}});
  return trigger;
}

Trigger schedule_trigger(const Schedule& schedule, const ScheduleRow& row, std::int64_t missed) {
  Trigger trigger;
  trigger.type = TriggerType::kAlarm;
  trigger.envelope.id = "schedule/" + fire_id(schedule.name, row.next);
  trigger.envelope.source = "schedule";
  trigger.envelope.time = row.next;
  trigger.envelope.payload = json_payload({{"schedule", schedule.name},
                                           {"at", format_time_millis(row.next)},
                                           {"missed", missed},
                                           {"payload", schedule.payload}});
  return trigger;
}

}  // namespace oa::runtime
