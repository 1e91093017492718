#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson usage() {
  return object({{"durationMs", number()},
                 {"steps", integer()},
                 {"tokensIn", integer()},
                 {"tokensOut", integer()},
                 {"storageBytes", integer()}});
}

OrderedJson run_result() {
  return object({{"output", reference("")},
                 {"tickId", text()},
                 {"envelopeId", text()},
                 {"usage", reference("Usage")}});
}

const std::vector<Parameter>& run_headers() {
  static const std::vector<Parameter> headers = {
      kIdempotencyKeyHeader,
      {"Prefer", "header", "string",
       "wait=N: wait so many seconds at most, and be told where the outcome will be. "
       "respond-async: do not wait (RFC 7240)."},
      {"Accept", "header", "string", "text/event-stream: read along."},
      kSenderHeader,
      kSeqHeader,
      kEnvelopeIdHeader,
      kExpiresAtHeader,
      kTraceparentHeader};
  return headers;
}

std::vector<ResponseDoc> run_answers() {
  return {
      {200, "The answer, once everything that the run changed is durable.", kJsonType, "RunResult"},
      {202, "The run goes on, and is durable; its outcome will be at Location.", kJsonType,
       "Taken"}};
}

}  // namespace

RouteTable run_routes() {
  return {{{run_agent, Scope::kAgent, "POST", "/run",
            "Run the agent with the body as its input and wait for the answer.", Body::kAny,
            run_headers(), run_answers()},
           {tick_agent, Scope::kAgent, "POST", "/tick",
            "Run a tick by hand: as a run, with any body or none.", Body::kAny, run_headers(),
            run_answers()},
           {post_hibernate,
            Scope::kAgent,
            "POST",
            "/hibernate",
            "Put the agent to sleep, if nothing of it waits or runs.",
            Body::kNone,
            {},
            {{200, "Whether it is Dormant, or Busy and stays awake.", kJsonType, "SleepState"}}},
           {post_wake,
            Scope::kAgent,
            "POST",
            "/wake",
            "Wake the agent.",
            Body::kNone,
            {},
            {{200, "It is Awake.", kJsonType, "SleepState"}}}},
          {{"RunResult", run_result()},
           {"Usage", usage()},
           {"SleepState", object({{"state", text()}})}}};
}

}  // namespace oa::runtime
