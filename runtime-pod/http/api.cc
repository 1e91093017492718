#include "runtime-pod/http/api.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "core/wire.h"
#include "libs/obs/build_info.h"
#include "runtime-pod/http/host_check.h"
#include "runtime-pod/http/openapi.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kUnmatched = "unmatched";

net::Response text_response(std::string body) {
  net::Response response;
  response.headers.add("Content-Type", "text/plain");
  response.body = std::move(body);
  return response;
}

void answer_health(const CallPtr& call, const std::function<Result<void>()>& check) {
  const auto good = check();
  if (!good) return call->fail(good.error());
  call->answer(text_response("ok\n"));
}

net::Response problem(const Error& error, const std::string& trace_id) {
  return net::problem_response(error, trace_id);
}

Error not_served(const Call& call) {
  if (!call.match.allow.empty()) {
    return make_error(Code::kInvalidRequest, "MethodNotAllowed",
                      "the method of " + shorten(call.request.target, 128) + " must be one of " +
                          call.match.allow);
  }
  return make_error(Code::kNotFound, "nothing is served at " + shorten(call.request.target, 128) +
                                         "; GET /openapi.json lists what is");
}

// Whose verb it is: of the pod's agent, or of the path's. Whether a name can be one at all is asked
// only where no agent has it (`with_agent`).
AgentId agent_of(const Call& call) {
  if (call.options.agent) return *call.options.agent;
  return {call.match.namespace_name, call.match.name};
}

}  // namespace

Call::Call(const ApiOptions& call_options, const Services& call_services, net::Request call_request,
           net::Respond respond)
    : options(call_options),
      services(call_services),
      request(std::move(call_request)),
      started_(call_services.clock.monotonic()),
      respond_(std::move(respond)) {}

void Call::answer(net::Response response) {
  const auto took = services.clock.monotonic() - started_;
  services.metrics.request(match.route != nullptr ? route_label(*match.route) : kUnmatched,
                           response.websocket ? 101 : response.status,
                           std::chrono::duration_cast<Duration>(took));
  if (!uid.empty() && !options.agent) response.headers.add(std::string(wire::kHeaderUid), uid);
  respond_(std::move(response));
}

void Call::fail(const Error& error) {
  if (trace_id.empty()) trace_id = services.ids.trace_id();
  const auto format = format_error != nullptr ? format_error : problem;
  net::Response response = format(error, trace_id);
  if (!match.allow.empty() && match.route == nullptr) response.headers.add("Allow", match.allow);
  answer(std::move(response));
}

Api::Api(ApiOptions options, const Services& services)
    : options_(std::move(options)), services_(services), router_(options_.mode) {}

void Api::handle(net::Request request, net::Respond respond) {
  auto call = std::make_shared<Call>(options_, services_, std::move(request), std::move(respond));
  if (const auto trace = net::trace_id_of(call->header("traceparent"))) call->trace_id = *trace;
  if (options_.mode == Mode::kDaemon && call->request.peer != "unix") {
    const auto good =
        check_host(call->header("Host"), call->header("Origin"), options_.allowed_hosts);
    if (!good) return call->fail(good.error());
  }
  auto target = net::parse_target(call->request.target);
  if (!target) return call->fail(target.error());
  call->target = std::move(*target);
  call->match = router_.match(call->request.method, call->target.segments);
  if (call->match.route == nullptr) return call->fail(not_served(*call));
  if (auto good = check_query(call->target, *call->match.route); !good) {
    return call->fail(good.error());
  }
  dispatch(call);
}

void Api::dispatch(const CallPtr& call) {
  const Route& route = *call->match.route;
  if (route.scope == Scope::kAgent || !call->match.name.empty()) {
    call->agent = agent_of(*call);
  } else if (route.scope == Scope::kAgents) {
    // Any good name will do to check the namespace.
    auto good = make_agent_id(call->match.namespace_name, "name");
    if (!good) return call->fail(good.error());
  }
  route.serve(call);
}

void get_health(const CallPtr& call) { answer_health(call, call->services.live); }
void get_ready(const CallPtr& call) { answer_health(call, call->services.ready); }

void get_openapi(const CallPtr& call) {
  const OrderedJson document = openapi_document(call->options.mode, obs::kBuildInfo.version);
  call->answer(net::json_response(200, document.dump()));
}

Result<void> check_query(const net::Target& target, const Route& route) {
  std::vector<FieldError> errors;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : target.query) {
    const bool known = std::any_of(route.parameters.begin(), route.parameters.end(),
                                   [&](const Parameter& parameter) {
                                     return parameter.in == "query" && parameter.name == name;
                                   });
    if (!known) {
      errors.push_back({"query." + shorten(name, 64), shorten(value, 64),
                        "not be set: there is no such parameter"});
    } else if (!seen.insert(name).second) {
      errors.push_back({"query." + name, shorten(value, 64), "be given once"});
    }
  }
  if (errors.empty()) return {};
  return invalid_fields(std::move(errors));
}

Result<int> read_limit(const net::Target& target) {
  const auto text = target.query_value("limit");
  if (!text) return 100;
  int limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (error == std::errc() && end == text->data() + text->size() && limit >= 1 &&
      limit <= kMaxListLimit) {
    return limit;
  }
  return invalid_fields({{"query.limit", shorten(*text, 64),
                          "be a number between 1 and " + std::to_string(kMaxListLimit)}});
}

Result<std::optional<std::int64_t>> read_record_cursor(const net::Target& target) {
  const auto text = target.query_value("cursor");
  if (!text) return std::optional<std::int64_t>();
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), id);
  if (error == std::errc() && end == text->data() + text->size() && id > 0) {
    return std::optional(id);
  }
  return invalid_fields({{"query.cursor", shorten(*text, 64), "be the cursor of an earlier list"}});
}

void with_agent(const CallPtr& call, std::function<void(const std::shared_ptr<Actor>&)> found) {
  find_agent(call->services, call->agent,
             [call, found = std::move(found)](Result<std::shared_ptr<Actor>> actor) {
               if (!actor) return call->fail(actor.error());
               call->uid = (*actor)->uid();
               found(*actor);
             });
}

void on_worker(const CallPtr& call, std::function<void()> work) {
  call->services.scheduler.post(std::move(work));
}

}  // namespace oa::runtime
