#include "runtime-pod/handlers/context_routes.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/handlers/protocol.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kBytesType = "application/octet-stream";
constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 1000;

struct Call {
  std::shared_ptr<OpenTick> tick;
  const Clock& clock;
  net::Request request;
  net::Target target;
  net::Respond respond;

  TickContext& context() const { return *tick->context; }
  void fail(const Error& error) const { respond(net::problem_response(error)); }
  void answer(const OrderedJson& body) const {
    respond(
        net::json_response(200, body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
  }
  // For what has nothing to say but that it is done.
  void finish(const Result<void>& result) const {
    if (!result) return fail(result.error());
    respond({.status = 204});
  }
};
using CallPtr = std::shared_ptr<const Call>;

// The body as JSON, read by `read`.
template <typename Read>
auto read_body(const CallPtr& call, Read read) -> decltype(read(Json())) {
  auto json = parse_json(call->request.body);
  if (!json) return json.error();
  return read(*json);
}

void add(const CallPtr& call, TickWrites writes) {
  call->finish(call->context().add(std::move(writes)));
}

void get_key(const CallPtr& call) {
  const std::string& key = call->target.segments[2];
  if (auto good = check_kv_key(key); !good) return call->fail(good.error());
  call->context().get_kv(key, [call](Result<std::optional<KvValue>> value) {
    if (!value) return call->fail(value.error());
    if (!*value) {
      return call->fail(make_error(
          Code::kNotFound, "key \"" + shorten(call->target.segments[2], 64) + "\" does not exist"));
    }
    net::Response response{.headers = {{"Content-Type", (*value)->content_type}}};
    response.body = std::move((*value)->value);
    call->respond(std::move(response));
  });
}

void put_key(const CallPtr& call) {
  const std::string& key = call->target.segments[2];
  if (auto good = check_kv_key(key); !good) return call->fail(good.error());
  if (auto good = check_kv_value(key, call->request.body); !good) return call->fail(good.error());
  const std::string type(call->request.headers.get("Content-Type", kBytesType));
  add(call, {.kv = {{key, call->request.body, type}}});
}

void delete_key(const CallPtr& call) {
  const std::string& key = call->target.segments[2];
  if (auto good = check_kv_key(key); !good) return call->fail(good.error());
  add(call, {.kv = {{key, std::nullopt}}});
}

Result<int> read_limit(const net::Target& target) {
  const auto text = target.query_value("limit");
  if (!text) return kDefaultPage;
  int limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  const bool whole = error == std::errc() && end == text->data() + text->size();
  if (whole && limit >= 1 && limit <= kMaxPage) return limit;
  return invalid_fields({{"query.limit", shorten(*text, 64), "be a number between 1 and 1000"}});
}

void list_keys(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  const std::string prefix(call->target.query_value("prefix").value_or(""));
  const std::string after(call->target.query_value("cursor").value_or(""));
  call->context().list_kv(prefix, after, *limit, [call](Result<KvPage> page) {
    if (!page) return call->fail(page.error());
    OrderedJson body = {{"items", OrderedJson::array()}};
    for (const KvEntry& entry : page->items) {
      body["items"].push_back(
          {{"key", entry.key}, {"bytes", entry.bytes}, {"contentType", entry.content_type}});
    }
    if (page->next) body["cursor"] = *page->next;
    call->answer(body);
  });
}

void set_alarm(const CallPtr& call) {
  auto alarm =
      read_body(call, [&call](const Json& body) { return read_alarm(body, call->clock.now()); });
  if (!alarm) return call->fail(alarm.error());
  add(call, {.alarms = {*std::move(alarm)}});
}

void cancel_alarm(const CallPtr& call) {
  const std::string& name = call->target.segments[2];
  if (auto good = check_name("alarm", name); !good) return call->fail(good.error());
  add(call, {.alarms = {AlarmCancel{name}}});
}

void send_message(const CallPtr& call) {
  auto message = read_body(call, read_send);
  if (!message) return call->fail(message.error());
  add(call, {.sends = {*std::move(message)}});
}

OrderedJson outcome_json(const std::string& key, const EffectOutcome& outcome) {
  OrderedJson json = {{"key", key}, {"delivered", outcome.delivered}, {"status", outcome.status}};
  if (is_utf8(outcome.body)) {
    json["body"] = outcome.body;
  } else {
    json["bodyBase64"] = crypto::base64_encode(outcome.body);
  }
  if (!outcome.delivered) {
    json["error"] = {{"code", code_name(outcome.error.code)}, {"detail", outcome.error.detail}};
    if (!outcome.error.reason.empty()) json["error"]["reason"] = outcome.error.reason;
  }
  return json;
}

void perform(const CallPtr& call) {
  auto effect = read_body(call, read_effect);
  if (!effect) return call->fail(effect.error());
  const std::string key = effect->key;
  call->context().perform(*std::move(effect), [call, key](Result<EffectOutcome> outcome) {
    if (!outcome) return call->fail(outcome.error());
    call->answer(outcome_json(key, *outcome));
  });
}

void compensate(const CallPtr& call) {
  auto effect = read_body(call, read_effect);
  if (!effect) return call->fail(effect.error());
  call->context().compensate(*std::move(effect),
                             [call](const Result<void>& done) { call->finish(done); });
}

Result<StepKey> read_step(const Call& call) {
  StepKey step{.name = call.target.segments[2]};
  const std::string& text = call.target.segments[3];
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), step.occurrence);
  if (error != std::errc() || end != text.data() + text.size() || step.occurrence < 0) {
    return invalid_fields({{"occurrence", "\"" + shorten(text, 64) + "\"",
                            "be a whole number that is not negative"}});
  }
  step.input_hash = std::string(call.request.headers.get("Agent-Input-Hash"));
  if (step.input_hash.size() > 256) {
    return invalid_fields({{"Agent-Input-Hash", "", "be at most 256 bytes long"}});
  }
  return step;
}

void get_step(const CallPtr& call) {
  auto step = read_step(*call);
  if (!step) return call->fail(step.error());
  call->context().find_step(*std::move(step), [call](Result<std::optional<std::string>> value) {
    if (!value) return call->fail(value.error());
    if (!*value) {
      return call->fail(make_error(
          Code::kNotFound,
          "step \"" + shorten(call->target.segments[2], 64) + "\" has no journalled result"));
    }
    call->respond({.headers = {{"Content-Type", std::string(kBytesType)}}, .body = **value});
  });
}

void put_step(const CallPtr& call) {
  auto step = read_step(*call);
  if (!step) return call->fail(step.error());
  call->context().put_step(*std::move(step), call->request.body,
                           [call](const Result<void>& done) { call->finish(done); });
}

void beat(const CallPtr& call) {
  const auto next = read_body(call, read_heartbeat);
  if (!next) return call->fail(next.error());
  call->context().heartbeat(*next);
  call->finish({});
}

void ask(const CallPtr& call) {
  auto request = read_body(call, read_approval);
  if (!request) return call->fail(request.error());
  call->context().ask(*std::move(request), [call](Result<ApprovalState> state) {
    if (!state) return call->fail(state.error());
    OrderedJson body = {{"id", state->id}, {"status", decision_name(state->decision)}};
    if (!state->note.empty()) body["note"] = state->note;
    call->answer(body);
  });
}

void show(const CallPtr& call, std::string_view event) {
  call->finish(read_body(call, [&](const Json& body) -> Result<void> {
    return show_event(call->context(), event, body);
  }));
}

void log(const CallPtr& call) { show(call, "log"); }

void delta(const CallPtr& call) { show(call, "delta"); }

void emit(const CallPtr& call) {
  call->finish(read_body(call, [&](const Json& body) -> Result<void> {
    if (!body.is_object() || !body.contains("event") || !body["event"].is_string()) {
      return invalid_fields({{"event", "", "be set, as text"}});
    }
    return show_event(call->context(), body["event"].get<std::string>(),
                      body.value("data", Json::object()));
  }));
}

void spend(const CallPtr& call) {
  const auto usage = read_body(call, read_usage);
  if (!usage) return call->fail(usage.error());
  call->context().spend(*usage);
  call->finish({});
}

void get_status(const CallPtr& call) {
  call->answer({{"tickId", tick_id(call->tick->tick)},
                {"attempt", call->tick->attempt},
                {"deadline", format_time_millis(call->tick->deadline)},
                {"cancelled", call->context().is_over()}});
}

struct Route {
  std::string_view method;
  std::vector<std::string_view> path;  // below /v1; "*" is any segment
  void (*serve)(const CallPtr& call);
};

const std::vector<Route>& routes() {
  static const std::vector<Route> all = {
      {"GET", {"kv", "*"}, get_key},
      {"PUT", {"kv", "*"}, put_key},
      {"DELETE", {"kv", "*"}, delete_key},
      {"GET", {"kv"}, list_keys},
      {"POST", {"alarms"}, set_alarm},
      {"DELETE", {"alarms", "*"}, cancel_alarm},
      {"POST", {"send"}, send_message},
      {"POST", {"effects"}, perform},
      {"POST", {"compensations"}, compensate},
      {"GET", {"steps", "*", "*"}, get_step},
      {"PUT", {"steps", "*", "*"}, put_step},
      {"POST", {"heartbeat"}, beat},
      {"POST", {"approvals"}, ask},
      {"POST", {"log"}, log},
      {"POST", {"delta"}, delta},
      {"POST", {"emit"}, emit},
      {"POST", {"usage"}, spend},
      {"GET", {"status"}, get_status},
  };
  return all;
}

bool matches(const Route& route, const std::vector<std::string>& segments) {
  return segments.size() == route.path.size() + 1 && segments.front() == "v1" &&
         std::equal(route.path.begin(), route.path.end(), segments.begin() + 1,
                    [](std::string_view expected, const std::string& segment) {
                      return expected == "*" || expected == segment;
                    });
}

Error over_limit(std::string_view what, std::size_t limit) {
  Error error = make_error(Code::kRateLimited, "TickCalls",
                           "a tick must make at most " + std::to_string(limit) + " " +
                               std::string(what) + " of the context API");
  error.retryable = false;
  return error;
}

}  // namespace

void serve_context_call(std::shared_ptr<OpenTick> tick, const Clock& clock, net::Request request,
                        net::Respond respond) {
  auto call = std::make_shared<Call>(
      Call{std::move(tick), clock, std::move(request), {}, std::move(respond)});
  if (++call->tick->calls > kMaxTickCalls) return call->fail(over_limit("calls", kMaxTickCalls));
  if ((call->tick->bytes += call->request.body.size()) > kMaxTickCallBytes) {
    return call->fail(over_limit("bytes in calls", kMaxTickCallBytes));
  }
  auto target = net::parse_target(call->request.target);
  if (!target) return call->fail(target.error());
  call->target = *std::move(target);
  bool found = false;
  for (const Route& route : routes()) {
    if (!matches(route, call->target.segments)) continue;
    found = true;
    if (route.method == call->request.method) return route.serve(call);
  }
  const std::string shown = call->request.method + " " + shorten(call->request.target, 128);
  if (found) {
    return call->fail(make_error(Code::kInvalidRequest, "MethodNotAllowed",
                                 "the context API has this path, but not " + shown));
  }
  call->fail(make_error(Code::kNotFound, "the context API does not have " + shown));
}

}  // namespace oa::runtime
