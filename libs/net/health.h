// The small HTTP face that every long-running program of the product has on its own port: /healthz,
// /readyz, /metrics.
//
// Thread-safety: the checks are called on the server's thread and must not block.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/result.h"
#include "libs/net/http_server.h"
#include "libs/obs/metrics.h"

namespace oa::net {

// /healthz is 200 while `live` says so (else 503), /readyz is 200 or a problem with the error that
// `ready` returns, /metrics is the registry's text; anything else is 404. A check that is empty
// always succeeds. `metrics` must outlive the server.
struct HealthChecks {
  std::function<Result<void>()> live;
  std::function<Result<void>()> ready;
};
Result<std::unique_ptr<HttpServer>> start_health_server(const std::string& listen,
                                                        HealthChecks checks,
                                                        const obs::Metrics& metrics);

}  // namespace oa::net
