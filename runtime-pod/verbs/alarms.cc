#include "runtime-pod/verbs/alarms.h"

#include <utility>

#include "core/text.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kSchedules = "schedule/";
constexpr std::string_view kAlarms = "alarm/";
constexpr Time kLatest = std::chrono::sys_days(std::chrono::year(2201) / 1 / 1);

Error no_such_alarm(const std::string& name) {
  return make_error(Code::kNotFound, "alarm \"" + shorten(name, 64) + "\" does not exist");
}

Result<AlarmRow> row_of(AlarmRequest request, Time now) {
  if (auto good = check_name("name", request.name); !good) return good.error();
  if (request.at.has_value() == request.in.has_value()) {
    return invalid_fields({{"at", "", "be set, or in, but not both"}});
  }
  if (request.in && *request.in < Duration(0)) {
    return invalid_fields({{"in", "", "not be negative"}});
  }
  AlarmRow row;
  row.at = request.at ? *request.at : now + *request.in;
  if (row.at >= kLatest) {
    return invalid_fields({{request.at ? "at" : "in", format_time_seconds(row.at),
                            "come before the end of the year 2200"}});
  }
  const std::size_t bytes = request.payload.is_null() ? 0 : dump(request.payload).size();
  if (bytes > kMaxAlarmPayloadBytes) {
    return make_error(Code::kInvalidRequest, "PayloadTooLarge",
                      "the payload of an alarm must be at most " +
                          std::to_string(kMaxAlarmPayloadBytes) + " bytes but has " +
                          std::to_string(bytes));
  }
  row.name = std::move(request.name);
  row.payload = std::move(request.payload);
  row.traceparent = std::move(request.traceparent);
  return row;
}

Result<Alarm> alarm_of(const Item& item) {
  auto row = decode_alarm(item.value);
  if (!row) return row.error();
  return Alarm{item.key, row->at, item.number, std::move(row->payload)};
}

Result<void> add_schedules(Reader& reader, AgentKey agent, const std::string& after, int limit,
                           AlarmPage& page) {
  auto rows = reader.list_items(agent, ItemKind::kSchedule, "", after, limit, Values::kInclude);
  if (!rows) return rows.error();
  for (Item& item : rows->items) {
    auto row = decode_schedule(item.value);
    if (!row) return row.error();
    page.items.emplace_back(ScheduleStatus{std::move(item.key), std::move(*row)});
  }
  if (rows->next) page.next = std::string(kSchedules) + *rows->next;
  return {};
}

Result<void> add_alarms(Reader& reader, AgentKey agent, const std::string& after, int limit,
                        AlarmPage& page) {
  auto rows = reader.list_items(agent, ItemKind::kAlarm, "", after, limit, Values::kInclude);
  if (!rows) return rows.error();
  for (const Item& item : rows->items) {
    auto alarm = alarm_of(item);
    if (!alarm) return alarm.error();
    page.items.emplace_back(std::move(*alarm));
  }
  if (rows->next) page.next = std::string(kAlarms) + *rows->next;
  return {};
}

Result<AlarmPage> read_page(Reader& reader, AgentKey agent, std::string_view cursor, int limit) {
  AlarmPage page;
  if (!cursor.starts_with(kAlarms)) {
    if (!cursor.empty() && !cursor.starts_with(kSchedules)) {
      return invalid_fields(
          {{"query.cursor", shorten(cursor, 64), "be the cursor of an earlier list"}});
    }
    const std::string after(cursor.empty() ? "" : cursor.substr(kSchedules.size()));
    if (auto done = add_schedules(reader, agent, after, limit, page); !done) return done.error();
    if (page.next) return page;
    limit -= static_cast<int>(page.items.size());
    if (limit == 0) {
      page.next = kAlarms;
      return page;
    }
    cursor = kAlarms;
  }
  const std::string after(cursor.substr(kAlarms.size()));
  if (auto done = add_alarms(reader, agent, after, limit, page); !done) return done.error();
  return page;
}

}  // namespace

std::string alarm_id(const std::string& name, std::int64_t generation) {
  return "alarm/" + name + "/" + std::to_string(generation);
}

void set_alarm(const Services& services, const AgentId& agent, AlarmRequest request,
               std::function<void(Result<Alarm>)> set) {
  const Time now = services.clock.now();
  if (request.name.empty()) request.name = services.ids.uuid(now);
  auto row = row_of(std::move(request), now);
  if (!row) return set(row.error());
  std::vector<ItemWrite> items{alarm_item(*row)};
  services.host.append(agent, std::move(items),
                       [row = std::move(*row), set = std::move(set)](Result<Committed> committed) {
                         if (!committed) return set(committed.error());
                         // The newest ordinal of the commit is the one that its only row was given.
                         set(Alarm{row.name, row.at, committed->head.ordinal, row.payload});
                       });
}

void get_alarm(const Services& services, const AgentId& agent, const std::string& name,
               std::function<void(Result<Alarm>)> got) {
  find_agent(services, agent, [&services, name, got = std::move(got)](auto actor) {
    if (!actor) return got(actor.error());
    services.scheduler.post([&services, name, got, key = (*actor)->key()] {
      auto item = services.reader.get_item(key, ItemKind::kAlarm, name);
      if (!item) return got(item.error());
      got(*item ? alarm_of(**item) : Result<Alarm>(no_such_alarm(name)));
    });
  });
}

void cancel_alarm(const Services& services, const AgentId& agent, const std::string& name,
                  std::function<void(Result<void>)> cancelled) {
  std::vector<ItemWrite> items{{.kind = ItemKind::kAlarm, .key = name}};
  items.front().condition.must_exist = true;
  services.host.append(agent, std::move(items),
                       [cancelled = std::move(cancelled), name](Result<Committed> committed) {
                         if (committed) return cancelled({});
                         const Error& error = committed.error();
                         cancelled(error.code == Code::kNotFound && error.reason.empty()
                                       ? no_such_alarm(name)
                                       : error);
                       });
}

void list_alarms(const Services& services, const AgentId& agent, const std::string& cursor,
                 int limit, std::function<void(Result<AlarmPage>)> listed) {
  find_agent(services, agent, [&services, cursor, limit, listed = std::move(listed)](auto actor) {
    if (!actor) return listed(actor.error());
    services.scheduler.post([&services, cursor, limit, listed, key = (*actor)->key()] {
      listed(read_page(services.reader, key, cursor, limit));
    });
  });
}

}  // namespace oa::runtime
