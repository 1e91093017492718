#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson status() {
  return object({{"namespace", text()},
                 {"name", text()},
                 {"uid", text()},
                 {"epoch", integer()},
                 {"handler", text()},
                 {"suspended", boolean()},
                 {"running", boolean()},
                 {"waiting", integer()},
                 {"lastTickId", text()},
                 {"commits", integer()},
                 {"storageBytes", integer()},
                 {"maxStorageBytes", integer()},
                 {"createdAt", time()},
                 {"lastActiveTime", time()}});
}

OrderedJson tick() {
  return object({{"id", text()},
                 {"time", time()},
                 {"tickId", text()},
                 {"trigger", text()},
                 {"envelopeId", text()},
                 {"source", text()},
                 {"attempt", integer()},
                 {"outcome", text()},
                 {"durationMs", number()},
                 {"traceId", text()}});
}

}  // namespace

RouteTable observe_routes() {
  return {{{get_state,
            Scope::kAgent,
            "GET",
            "/state",
            "The agent's state as of its last tick; null before the first.",
            Body::kNone,
            {},
            {{200, "The state.", kJsonType, ""}}},
           {get_status,
            Scope::kAgent,
            "GET",
            "/status",
            "What the agent is and does.",
            Body::kNone,
            {},
            {{200, "The status.", kJsonType, "Status"}}},
           {list_ticks,
            Scope::kAgent,
            "GET",
            "/ticks",
            "Committed ticks, newest first.",
            Body::kNone,
            {kLimit, kCursor},
            {{200, "Records of ticks.", kJsonType, "TickList"}}}},
          {{"Status", status()}, {"TickList", list_of(tick())}}};
}

}  // namespace oa::runtime
