#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

RouteTable socket_routes() {
  return {{{open_socket,
            Scope::kAgent,
            "GET",
            "/ws",
            "A WebSocket to the agent: its frames are the agent's input, and it is sent what the "
            "agent replies or sends to it.",
            Body::kNone,
            {kTraceparentHeader},
            {{101, "A WebSocket (RFC 6455).", "", ""}}}}};
}

}  // namespace oa::runtime
