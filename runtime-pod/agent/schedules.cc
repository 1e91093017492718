#include "runtime-pod/agent/schedules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/cron.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/alarms/schedule.h"
#include "runtime-pod/alarms/time_zone.h"

namespace oa::runtime {
namespace {

// What a next fire was worked out from.
std::string digest(const Schedule& schedule) { return schedule.cron + '\n' + schedule.time_zone; }

struct Plan {
  Cron cron;
  TimeZone zone;
};

Result<Plan> plan_of(const Schedule& schedule) {
  auto cron = parse_cron(schedule.cron);
  if (!cron) return cron.error();
  auto zone = TimeZone::find(schedule.time_zone);
  if (!zone) return zone.error();
  return Plan{std::move(*cron), std::move(*zone)};
}

}  // namespace

ItemWrite schedule_item(const std::string& name, const ScheduleRow& row) {
  return {.kind = ItemKind::kSchedule,
          .key = name,
          .value = encode(row),
          .number = kNextOrdinal,
          .due = Due{Due::Class::kWork, row.next}};
}

Result<std::vector<ItemWrite>> fit_schedules(const std::vector<Schedule>& schedules,
                                             const std::vector<Item>& rows, Time now) {
  std::map<std::string, const Item*> left;
  for (const Item& row : rows) left[row.key] = &row;
  std::vector<ItemWrite> writes;
  for (const Schedule& schedule : schedules) {
    ScheduleRow row;
    if (const auto known = left.find(schedule.name); known != left.end()) {
      auto stored = decode_schedule(known->second->value);
      if (!stored) return stored.error();
      left.erase(known);
      if (stored->digest == digest(schedule)) continue;
      row = std::move(*stored);
    }
    const auto plan = plan_of(schedule);
    if (!plan) return plan.error();
    row.next = next_fire(plan->cron, plan->zone, now);
    row.digest = digest(schedule);
    writes.push_back(schedule_item(schedule.name, row));
  }
  for (const auto& [name, row] : left) {
    writes.push_back({.kind = ItemKind::kSchedule, .key = name});
  }
  return writes;
}

Result<Fired> after_fire(const Schedule& schedule, const ScheduleRow& row, Time now) {
  const auto plan = plan_of(schedule);
  if (!plan) return plan.error();
  const DueFires due =
      due_fires(plan->cron, plan->zone, schedule.missed, row.next - Duration(1), now);
  Fired fired;
  fired.next = row;
  fired.run = !due.fires.empty();
  // Of several, each is handled by itself, and what is left is found again.
  fired.next.next = due.fires.size() > 1 ? due.fires[1].at : due.next;
  if (fired.run) {
    fired.at = due.fires.front().at;
    fired.missed = due.fires.front().missed;
    ++fired.next.fired;
  }
  fired.next.missed += fired.missed;
  return fired;
}

}  // namespace oa::runtime
