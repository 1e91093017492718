#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

using namespace openapi;

RouteTable event_routes() {
  const OrderedJson ids = {{"type", "array"}, {"items", text()}};
  return {{{post_webhook,
            Scope::kAgent,
            "POST",
            "/webhooks/{source}",
            "Take a signed webhook of a sender that the agent's spec.webhooks names.",
            Body::kAny,
            {kTraceparentHeader},
            {{202, "It is on disk and will be processed.", kJsonType, "Taken"}}},
           {post_events,
            Scope::kAgent,
            "POST",
            "/events",
            "Take CloudEvents 1.0: one in binary or structured mode, or a batch.",
            Body::kAny,
            {kTraceparentHeader},
            {{202, "All of them are on disk and will be processed.", kJsonType, "TakenEvents"}}},
           {shake_hands_for_events,
            Scope::kAgent,
            "OPTIONS",
            "/events",
            "Ask whether events may be sent here (HTTP 1.1 Web Hooks for Event Delivery).",
            Body::kNone,
            {{"WebHook-Request-Origin", "header", "string", "Who wants to send."},
             {"WebHook-Request-Rate", "header", "integer", "How many requests a minute."}},
            {{200, "They may: WebHook-Allowed-Origin and WebHook-Allowed-Rate say so.", "", ""}}}},
          {{"TakenEvents", object({{"envelopeIds", ids}, {"duplicates", ids}})}}};
}

}  // namespace oa::runtime
