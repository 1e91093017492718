#include "libs/net/health.h"

#include <utility>

#include "core/error.h"

namespace oa::net {
namespace {

Response text_response(std::string body, std::string type) {
  return {200, {{"Content-Type", std::move(type)}}, std::move(body)};
}

Response check_response(const std::function<Result<void>()>& check) {
  if (check) {
    if (const Result<void> result = check(); !result) return problem_response(result.error());
  }
  return text_response("ok\n", "text/plain");
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
  if (path == "/healthz") return check_response(checks.live);
  if (path == "/readyz") return check_response(checks.ready);
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
