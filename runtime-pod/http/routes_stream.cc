#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

constexpr std::string_view kEventsType = "text/event-stream";
constexpr Parameter kFrom = {"from", "query", "string",
                             "now (the default) or start: where to begin without an event's id."};
constexpr Parameter kLastEventId = {"lastEventId", "query", "string",
                                    "As the header Last-Event-ID, which wins."};
constexpr Parameter kLastEventIdHeader = {
    "Last-Event-ID", "header", "string",
    "Go on behind this event. If something after it is gone, `gap` comes first."};

OrderedJson log_line() {
  return object(
      {{"id", text()}, {"time", time()}, {"tickId", text()}, {"level", text()}, {"text", text()}});
}

}  // namespace

RouteTable stream_routes() {
  return {
      {{get_stream,
        Scope::kAgent,
        "GET",
        "/stream",
        "What the agent does, as it happens. Events with an id are durable, in order and "
        "complete; those without are speculative.",
        Body::kNone,
        {kFrom, kLastEventId, kLastEventIdHeader},
        {{200, "Server-sent events, until the client goes or the agent is deleted.", kEventsType,
          ""}}},
       {get_logs,
        Scope::kAgent,
        "GET",
        "/logs",
        "What the agent's ticks have logged, newest first; or, followed, as they are committed.",
        Body::kNone,
        {{"level", "query", "string", "At least: debug (the default), info, warn or error."},
         {"follow", "query", "string", "true: server-sent events, as of GET /stream."},
         kLimit,
         kCursor,
         kFrom,
         kLastEventId,
         kLastEventIdHeader},
        {{200, "Lines of logs.", kJsonType, "LogList"}}}},
      {{"LogList", list_of(log_line())}}};
}

}  // namespace oa::runtime
