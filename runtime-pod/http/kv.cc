#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "core/wire.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/etag.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

constexpr const char* kBytesType = "application/octet-stream";

// A write from outside is a micro-tick: it takes its turn in the agent's queue, and is answered
// when it is on disk.
void write_key(const CallPtr& call, std::shared_ptr<ItemWrite> write,
               std::function<net::Response(const TickReport&, AgentKey)> respond) {
  with_agent(call, [call, write, respond](const std::shared_ptr<Actor>& actor) {
    auto condition =
        read_condition(actor->key(), call->header("If-Match"), call->header("If-None-Match"));
    if (!condition) return call->fail(condition.error());
    condition->must_exist = !write->value;
    write->condition = std::move(*condition);
    const Time now = call->services.clock.now();
    Delivery delivery{.agent = call->agent,
                      .kind = QueueItem::Kind::kWrite,
                      .trigger = {TriggerType::kManual, {}},
                      .bytes = write->value ? write->value->size() : 0,
                      .patience = call->services.run_timeout};
    delivery.trigger.envelope.id = call->services.ids.uuid(now);
    delivery.trigger.envelope.source = "kv";
    delivery.trigger.envelope.time = now;
    if (!call->trace_id.empty()) {
      delivery.trigger.envelope.traceparent = call->header("traceparent");
    }
    delivery.items.push_back(std::move(*write));
    call->services.host.deliver(
        std::move(delivery), [call, respond, key = actor->key()](Result<TickReport> report) {
          if (!report) return call->fail(report.error());
          net::Response response = respond(*report, key);
          response.headers.add(std::string(wire::kHeaderTickId), tick_id(report->tick));
          call->answer(std::move(response));
        });
  });
}

net::Response value_response(Item value, AgentKey agent) {
  net::Response response;
  response.headers.add("Content-Type", value.content_type);
  response.headers.add("ETag", make_etag(agent, value.number));
  // Whatever was put is shown as what it claims to be, and runs no script in this origin.
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Content-Security-Policy", "sandbox; default-src 'none'");
  response.body = std::move(value.value);
  return response;
}

std::string page_body(const Page<Item, std::string>& page, AgentKey agent) {
  OrderedJson body = {{"items", OrderedJson::array()}};
  for (const Item& entry : page.items) {
    body["items"].push_back({{"key", entry.key},
                             {"bytes", entry.bytes},
                             {"contentType", entry.content_type},
                             {"etag", make_etag(agent, entry.number)}});
  }
  if (page.next) body["cursor"] = *page.next;
  return body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

void get_key(const CallPtr& call) {
  if (auto good = check_kv_key(call->match.parameter("key")); !good)
    return call->fail(good.error());
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    on_worker(call, [call, agent = actor->key()] {
      auto value =
          call->services.reader.get_item(agent, ItemKind::kKv, call->match.parameter("key"));
      if (!value) return call->fail(value.error());
      if (!*value) {
        return call->fail(
            make_error(Code::kNotFound,
                       "key \"" + shorten(call->match.parameter("key"), 64) + "\" does not exist"));
      }
      call->answer(value_response(std::move(**value), agent));
    });
  });
}

void put_key(const CallPtr& call) {
  if (auto good = check_kv_key(call->match.parameter("key")); !good)
    return call->fail(good.error());
  if (auto good = check_kv_value(call->match.parameter("key"), call->request.body); !good) {
    return call->fail(good.error());
  }
  const std::string type(call->request.headers.get("Content-Type", kBytesType));
  auto write = std::make_shared<ItemWrite>(
      kv_item({call->match.parameter("key"), std::move(call->request.body), type}));
  write_key(call, std::move(write), [](const TickReport& report, AgentKey agent) {
    net::Response response;
    response.status = report.replaced ? 204 : 201;
    response.headers.add("ETag", make_etag(agent, report.version));
    return response;
  });
}

void delete_key(const CallPtr& call) {
  if (auto good = check_kv_key(call->match.parameter("key")); !good)
    return call->fail(good.error());
  auto write = std::make_shared<ItemWrite>(kv_item({call->match.parameter("key"), std::nullopt}));
  write_key(call, std::move(write), [](const TickReport&, AgentKey) {
    net::Response response;
    response.status = 204;
    return response;
  });
}

void list_keys(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  with_agent(call, [call, limit = *limit](const std::shared_ptr<Actor>& actor) {
    on_worker(call, [call, limit, agent = actor->key()] {
      const std::string prefix(call->target.query_value("prefix").value_or(""));
      const std::string after(call->target.query_value("cursor").value_or(""));
      const auto page = call->services.reader.list_items(agent, ItemKind::kKv, prefix, after, limit,
                                                         Values::kLeaveOut);
      if (!page) return call->fail(page.error());
      call->answer(net::json_response(200, page_body(*page, agent)));
    });
  });
}

}  // namespace oa::runtime
