#include "core/json.h"
#include "core/text.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

OrderedJson status_json(const Call& call, const Actor& actor) {
  const ActorStatus status = actor.status();
  const AgentRow row = actor.row();
  const std::shared_ptr<const AgentSpec> spec = actor.spec();
  OrderedJson json = {{"namespace", row.id.namespace_name},
                      {"name", row.id.name},
                      {"uid", row.uid},
                      {"epoch", call.services.epoch},
                      {"handler", call.services.handler(*spec).name()},
                      {"suspended", spec->replicas == 0},
                      {"running", status.running},
                      {"waiting", status.waiting},
                      {"commits", status.head.version},
                      {"storageBytes", status.head.bytes},
                      {"maxStorageBytes", spec->config.max_storage_bytes},
                      {"createdAt", format_time_millis(row.created)}};
  if (status.head.tick > 0) {
    json["lastTickId"] = tick_id(status.head.tick);
    json["lastActiveTime"] = format_time_millis(status.head.time);
  }
  return json;
}

// Records are JSON text already; the list is put together around them.
std::string ticks_body(const Page<LogRecord, std::int64_t>& page) {
  std::string body = "{\"items\":[";
  for (const LogRecord& record : page.items) {
    const OrderedJson head = {{"id", std::to_string(record.id)},
                              {"time", format_time_millis(record.time)}};
    if (&record != &page.items.front()) body += ',';
    std::string text = head.dump();
    text.back() = ',';
    body += text + record.text.substr(1);
  }
  body += ']';
  if (page.next) body += ",\"cursor\":\"" + std::to_string(*page.next) + '"';
  return body + '}';
}

}  // namespace

void get_state(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    const auto state = actor->state();
    if (!state) return call->answer(net::json_response(200, "null"));
    on_worker(call, [call, state] { call->answer(net::json_response(200, dump(*state))); });
  });
}

void get_status(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    call->answer(net::json_response(200, status_json(*call, *actor).dump()));
  });
}

void list_ticks(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  const auto cursor = read_record_cursor(call->target);
  if (!cursor) return call->fail(cursor.error());
  with_agent(call, [call, limit = *limit, cursor = *cursor](const std::shared_ptr<Actor>& actor) {
    const std::int64_t from = cursor.value_or(actor->status().head.log);
    on_worker(call, [call, limit, from, agent = actor->key()] {
      const auto page = call->services.reader.list_log(agent, from, limit);
      if (!page) return call->fail(page.error());
      call->answer(net::json_response(200, ticks_body(*page)));
    });
  });
}

}  // namespace oa::runtime
