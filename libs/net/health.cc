#include "libs/net/health.h"

#include <utility>

#include "core/error.h"

namespace oa::net {
namespace {

Response text_response(std::string body, std::string type) {
  return {200, {{"Content-Type", std::move(type)}}, std::move(body)};
}

Response live_response(const HealthChecks& checks) {
  const Result<void> live = checks.live ? checks.live() : Result<void>();
  if (!live) return problem_response(make_error(Code::kUnavailable, to_string(live.error())));
  return text_response("ok\n", "text/plain");
}

Response ready_response(const HealthChecks& checks) {
  const Result<void> ready = checks.ready ? checks.ready() : Result<void>();
  return ready ? text_response("ok\n", "text/plain") : problem_response(ready.error());
}

Response answer(const Request& request, const HealthChecks& checks, const obs::Metrics& metrics) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (path != "/healthz" && path != "/readyz" && path != "/metrics") {
    return problem_response(
        make_error(Code::kNotFound, "only /healthz, /readyz and /metrics are here"));
  }
  if (request.method != "GET" && request.method != "HEAD") {
    Response refused = problem_response(make_error(Code::kInvalidRequest, "MethodNotAllowed",
                                                   path + " can only be read with GET or HEAD"));
    refused.headers.add("Allow", "GET, HEAD");
    return refused;
  }
  if (path == "/healthz") return live_response(checks);
  if (path == "/readyz") return ready_response(checks);
  return text_response(metrics.text(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace

Result<std::unique_ptr<HttpServer>> start_health_server(const std::string& listen,
                                                        HealthChecks checks,
                                                        const obs::Metrics& metrics) {
  HttpServer::Options options;
  options.listen = listen;
  options.limits.body_bytes = 0;
  options.limits.connections = 64;
  return HttpServer::start(std::move(options), [checks = std::move(checks), &metrics](
                                                   const Request& request, const Respond& respond) {
    respond(answer(request, checks, metrics));
  });
}

}  // namespace oa::net
