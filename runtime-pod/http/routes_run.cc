#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson run_result() {
  return object({{"output", OrderedJson::object()},
                 {"tickId", text()},
                 {"envelopeId", text()},
                 {"usage", object({{"durationMs", number()},
                                   {"steps", integer()},
                                   {"tokensIn", integer()},
                                   {"tokensOut", integer()},
                                   {"storageBytes", integer()}})}});
}

}  // namespace

RouteTable run_routes() {
  return {{{run_agent,
            Scope::kAgent,
            "POST",
            "/run",
            "Run the agent with the body as its input and wait for the answer.",
            Body::kAny,
            {{"traceparent", "header", "string", "W3C trace context."}},
            {{200, "The answer, once everything that the run changed is durable.", kJsonType,
              "RunResult"}}}},
          {{"RunResult", run_result()}}};
}

}  // namespace oa::runtime
