// Alarms: set, shown and taken back. What runs when one is due is the agent's (agent/actor.h).
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come once, from any
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxAlarmPayloadBytes = 256 * 1024;

struct AlarmRequest {
  std::string name;            // empty: one is made up; a name that is there is replaced
  std::optional<Time> at;      // this
  std::optional<Duration> in;  // or that
  Json payload;                // null: none
  std::string traceparent;
};

struct Alarm {
  std::string name;
  Time at;
  std::int64_t generation = 0;  // another one each time that it is set
  Json payload;
};
// Of its envelope, when it fires.
std::string alarm_id(const std::string& name, std::int64_t generation);

struct ScheduleStatus {
  std::string name;
  ScheduleRow row;
};

// One page of all that is to fire: schedules by name, then alarms by name.
struct AlarmPage {
  std::vector<std::variant<ScheduleStatus, Alarm>> items;
  std::optional<std::string> next;  // where to go on
};

// `set` once the alarm is on disk. INVALID_REQUEST unless it has exactly one time, up to the year
// 2200.
void set_alarm(const Services& services, const AgentId& agent, AlarmRequest request,
               std::function<void(Result<Alarm>)> set);

// NOT_FOUND if there is none of that name: it has run, or was never set.
void get_alarm(const Services& services, const AgentId& agent, const std::string& name,
               std::function<void(Result<Alarm>)> got);

// NOT_FOUND as above. A tick that runs for it at this moment stands.
void cancel_alarm(const Services& services, const AgentId& agent, const std::string& name,
                  std::function<void(Result<void>)> cancelled);

void list_alarms(const Services& services, const AgentId& agent, const std::string& cursor,
                 int limit, std::function<void(Result<AlarmPage>)> listed);

}  // namespace oa::runtime
