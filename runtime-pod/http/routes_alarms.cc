#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/alarms.h"

namespace oa::runtime {
namespace {

using namespace openapi;
using schema::Kind;

OrderedJson alarm() {
  return object({{"id", text()},
                 {"name", text()},
                 {"at", time()},
                 {"generation", integer()},
                 {"payload", OrderedJson::object()}});
}

OrderedJson schedule() {
  return object({{"schedule", text()},
                 {"at", time()},
                 {"fired", integer()},
                 {"ran", integer()},
                 {"missed", integer()}});
}

}  // namespace

const schema::Field& alarm_table() {
  static const schema::Field table = {
      .kind = Kind::kObject,
      .description = "An alarm to set.",
      .fields = {{.name = "name",
                  .description = "What it is found by; one of the same name is replaced.",
                  .max_length = kMaxNameBytes},
                 {.name = "at",
                  .kind = Kind::kTime,
                  .description = "When it is due: RFC 3339. This, or `in`."},
                 {.name = "in",
                  .kind = Kind::kDuration,
                  .description = "In what time it is due, such as 10s or 1h30m."},
                 {.name = "payload",
                  .kind = Kind::kAny,
                  .description = "What its tick gets.",
                  .max_length = kMaxAlarmPayloadBytes}}};
  return table;
}

RouteTable alarm_routes() {
  return {{{get_alarms,
            Scope::kAgent,
            "GET",
            "/alarms",
            "List what is to fire: schedules, then alarms, by name.",
            Body::kNone,
            {kLimit, kCursor},
            {{200, "Schedules with how often they fired and ran, and pending alarms.", kJsonType,
              "AlarmList"}}},
           {post_alarm,
            Scope::kAgent,
            "POST",
            "/alarms",
            "Set an alarm, in place of one of the same name.",
            Body::kAny,
            {{"traceparent", "header", "string", "W3C trace context."}},
            {{201, "The alarm is durable.", kJsonType, "Alarm"}},
            "AlarmRequest"},
           {get_alarm_by_name,
            Scope::kAgent,
            "GET",
            "/alarms/{alarm}",
            "Look at a pending alarm.",
            Body::kNone,
            {},
            {{200, "The alarm.", kJsonType, "Alarm"}}},
           {delete_alarm,
            Scope::kAgent,
            "DELETE",
            "/alarms/{alarm}",
            "Cancel an alarm.",
            Body::kNone,
            {},
            {{204, "The alarm is gone.", "", ""}}}},
          {{"AlarmRequest", schema::to_openapi(alarm_table())},
           {"Alarm", alarm()},
           {"AlarmList", list_of({{"oneOf", {schedule(), reference("Alarm")}}})}}};
}

}  // namespace oa::runtime
