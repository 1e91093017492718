#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson choice(OrderedJson values) { return {{"type", "string"}, {"enum", std::move(values)}}; }

OrderedJson outcome() {
  return object({{"id", text()},
                 {"status", choice({"Queued", "Running", "Waiting", "Succeeded", "Failed",
                                    "Cancelled", "DeadLettered"})},
                 {"acceptedAt", time()},
                 {"finishedAt", time()},
                 {"output", reference("")},
                 {"outputBase64", text()},
                 {"contentType", text()},
                 {"tickId", text()},
                 {"usage", reference("Usage")},
                 {"error", reference("EnvelopeError")},
                 {"deadLetter", text()}});
}

OrderedJson error() {
  return object(
      {{"code", text()}, {"reason", text()}, {"detail", text()}, {"retryable", boolean()}});
}

OrderedJson dead_letter() {
  return object({{"id", text()},
                 {"reason", text()},
                 {"error", reference("EnvelopeError")},
                 {"attempts", integer()},
                 {"trigger", text()},
                 {"envelope", object({{"id", text()},
                                      {"source", text()},
                                      {"sender", text()},
                                      {"seq", integer()},
                                      {"time", time()},
                                      {"expiresAt", time()},
                                      {"contentType", text()},
                                      {"payload", reference("")},
                                      {"payloadBase64", text()}})},
                 {"acceptedAt", time()},
                 {"deadAt", time()}});
}

OrderedJson taken() { return object({{"envelopeId", text()}, {"duplicate", boolean()}}); }

const std::vector<Parameter>& send_headers() {
  static const std::vector<Parameter> headers = {kSenderHeader,         kSeqHeader,
                                                 kEnvelopeIdHeader,     kExpiresAtHeader,
                                                 kIdempotencyKeyHeader, kTraceparentHeader};
  return headers;
}

constexpr ResponseDoc kTaken = {
    202, "It is on disk and will be processed, or become a dead letter.", kJsonType, "Taken"};

std::vector<Route> envelope_routes() {
  return {{send_to_agent,
           Scope::kAgent,
           "POST",
           "/send",
           "Send a message: taken once it is on disk, processed afterwards.",
           Body::kAny,
           send_headers(),
           {kTaken}},
          {get_envelope,
           Scope::kAgent,
           "GET",
           "/envelopes/{id}",
           "What became of an envelope; kept for 24 h after its end.",
           Body::kNone,
           {},
           {{200, "How far it is, and its outcome.", kJsonType, "EnvelopeOutcome"}}},
          {delete_envelope,
           Scope::kAgent,
           "DELETE",
           "/envelopes/{id}",
           "Cancel an envelope that is not over.",
           Body::kNone,
           {},
           {{200, "It is cancelled.", kJsonType, "EnvelopeOutcome"}}}};
}

std::vector<Route> dead_letter_routes() {
  return {{get_dead_letters,
           Scope::kAgent,
           "GET",
           "/deadletters",
           "List what could not be processed, oldest first.",
           Body::kNone,
           {kLimit, kCursor},
           {{200, "Dead letters with their reasons.", kJsonType, "DeadLetterList"}}},
          {get_dead_letter,
           Scope::kAgent,
           "GET",
           "/deadletters/{id}",
           "Show a dead letter.",
           Body::kNone,
           {},
           {{200, "The dead letter.", kJsonType, "DeadLetter"}}},
          {post_dead_letter_replay,
           Scope::kAgent,
           "POST",
           "/deadletters/{id}/replay",
           "Put a dead letter back into the inbox, behind everything that waits.",
           Body::kNone,
           {},
           {kTaken}},
          {delete_one_dead_letter,
           Scope::kAgent,
           "DELETE",
           "/deadletters/{id}",
           "Throw a dead letter away.",
           Body::kNone,
           {},
           {{204, "It is gone.", "", ""}}}};
}

}  // namespace

RouteTable message_routes() {
  std::vector<Route> routes = envelope_routes();
  for (Route& route : dead_letter_routes()) routes.push_back(std::move(route));
  return {std::move(routes),
          {{"Taken", taken()},
           {"EnvelopeOutcome", outcome()},
           {"EnvelopeError", error()},
           {"DeadLetter", dead_letter()},
           {"DeadLetterList", list_of(reference("DeadLetter"))}}};
}

}  // namespace oa::runtime
