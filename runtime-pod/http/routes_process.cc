#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

RouteTable process_routes() {
  return {{{get_health,
            Scope::kProcess,
            "GET",
            "/healthz",
            "Is the process sound?",
            Body::kNone,
            {},
            {{200, "It is.", "text/plain", ""}}},
           {get_ready,
            Scope::kProcess,
            "GET",
            "/readyz",
            "Are requests taken?",
            Body::kNone,
            {},
            {{200, "They are.", "text/plain", ""}}},
           {get_openapi,
            Scope::kProcess,
            "GET",
            "/openapi.json",
            "This description.",
            Body::kNone,
            {},
            {{200, "OpenAPI 3.1.", kJsonType, ""}}}},
          OrderedJson::object()};
}

}  // namespace oa::runtime
