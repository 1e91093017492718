#include "runtime-pod/verbs/alarms.h"

#include <utility>

#include "core/text.h"
#include "runtime-pod/http/json_body.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

OrderedJson alarm_json(const Alarm& alarm) {
  OrderedJson json = {{"id", alarm_id(alarm.name, alarm.generation)},
                      {"name", alarm.name},
                      {"at", format_time_millis(alarm.at)},
                      {"generation", alarm.generation}};
  if (!alarm.payload.is_null()) json["payload"] = alarm.payload;
  return json;
}

OrderedJson schedule_json(const ScheduleStatus& schedule) {
  const ScheduleRow& row = schedule.row;
  return {{"schedule", schedule.name},
          {"at", format_time_millis(row.next)},
          {"fired", row.fired},
          {"ran", row.ran},
          {"missed", row.missed}};
}

std::string page_body(const AlarmPage& page) {
  OrderedJson body = {{"items", OrderedJson::array()}};
  for (const auto& item : page.items) {
    const auto* alarm = std::get_if<Alarm>(&item);
    body["items"].push_back(alarm != nullptr ? alarm_json(*alarm)
                                             : schedule_json(std::get<ScheduleStatus>(item)));
  }
  if (page.next) body["cursor"] = *page.next;
  return body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string one_line(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// What the table has let through.
AlarmRequest read_alarm(const Call& call, Json body) {
  AlarmRequest request;
  request.name = body.value("name", "");
  if (body.contains("at")) request.at = parse_time(body["at"].get<std::string>()).value();
  if (body.contains("in")) request.in = parse_duration(body["in"].get<std::string>()).value();
  if (body.contains("payload")) request.payload = std::move(body["payload"]);
  if (!call.trace_id.empty()) request.traceparent = call.header("traceparent");
  return request;
}

}  // namespace

void post_alarm(const CallPtr& call) {
  with_json_body(call, alarm_table(), [call](Json body) {
    with_agent(call, [call, body = std::move(body)](const std::shared_ptr<Actor>&) {
      set_alarm(call->services, call->agent, read_alarm(*call, body), [call](Result<Alarm> alarm) {
        if (!alarm) return call->fail(alarm.error());
        call->answer(net::json_response(201, one_line(alarm_json(*alarm))));
      });
    });
  });
}

void get_alarm_by_name(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    get_alarm(call->services, call->agent, call->match.parameter("alarm"),
              [call](Result<Alarm> alarm) {
                if (!alarm) return call->fail(alarm.error());
                call->answer(net::json_response(200, one_line(alarm_json(*alarm))));
              });
  });
}

void delete_alarm(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    cancel_alarm(call->services, call->agent, call->match.parameter("alarm"),
                 [call](Result<void> cancelled) {
                   if (!cancelled) return call->fail(cancelled.error());
                   net::Response response;
                   response.status = 204;
                   call->answer(std::move(response));
                 });
  });
}

void get_alarms(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  const std::string cursor(call->target.query_value("cursor").value_or(""));
  with_agent(call, [call, cursor, limit = *limit](const std::shared_ptr<Actor>&) {
    list_alarms(call->services, call->agent, cursor, limit, [call](Result<AlarmPage> page) {
      if (!page) return call->fail(page.error());
      call->answer(net::json_response(200, page_body(*page)));
    });
  });
}

}  // namespace oa::runtime
