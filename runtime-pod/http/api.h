// The HTTP face of a runtime: a request in, exactly one answer out. `handle` finds the route and
// calls what serves it, which reads the request, calls one plain function (of verbs/, the host or
// the reader), and formats what comes back (http/run.cc, kv.cc, observe.cc, agents.cc, ...).
//
// Thread-safety: can be used from any thread; never blocks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/net/http_server.h"
#include "libs/net/message.h"
#include "runtime-pod/http/routes.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct ApiOptions {
  Mode mode = Mode::kDaemon;
  std::optional<AgentId> agent;  // in a pod: whose verbs stand at the root
  std::vector<std::string> allowed_hosts;
};

// One request on its way.
class Call {
 public:
  Call(const ApiOptions& call_options, const Services& call_services, net::Request call_request,
       net::Respond respond);

  const ApiOptions& options;
  const Services& services;
  net::Request request;
  net::Target target;
  Match match;
  AgentId agent;    // of agent verbs
  std::string uid;  // of the agent, once it is known: goes out with the answer
  std::string trace_id;
  // How errors are said, of protocols that have their own way; null: as problems.
  net::Response (*format_error)(const Error& error, const std::string& trace_id) = nullptr;

  std::string_view header(std::string_view name) const { return request.headers.get(name); }

  // One of these, once.
  void answer(net::Response response);
  void fail(const Error& error);

 private:
  const Monotonic started_;
  net::Respond respond_;
};

class Api {
 public:
  // `services` must outlive the Api.
  Api(ApiOptions options, const Services& services);
  void handle(net::Request request, net::Respond respond);

 private:
  void dispatch(const CallPtr& call);

  const ApiOptions options_;
  const Services& services_;
  const Router router_;
};

// Shared by the verbs.

// INVALID_REQUEST for a query parameter that the route does not have, or that is given twice.
Result<void> check_query(const net::Target& target, const Route& route);

// The parameter `limit`: 100 if absent, at most 1,000.
Result<int> read_limit(const net::Target& target);

// The parameter `cursor` of a list of log records; nothing: from the newest on.
Result<std::optional<std::int64_t>> read_record_cursor(const net::Target& target);

// Calls `found` with the agent's actor, or answers 404.
void with_agent(const CallPtr& call, std::function<void(const std::shared_ptr<Actor>&)> found);

// Runs `work` where it may wait for the disk.
void on_worker(const CallPtr& call, std::function<void()> work);

}  // namespace oa::runtime
