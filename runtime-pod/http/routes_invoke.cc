#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;
using schema::Kind;

constexpr std::size_t kMaxContentBytes = 4 * 1024 * 1024;
constexpr std::size_t kMaxMessages = 10'000;
constexpr std::size_t kMaxIdBytes = 256;
constexpr std::size_t kMaxNumberBytes = 32;

bool has_one_input(const Json& input) {
  return input.contains("messages") != input.contains("prompt");
}
bool has_messages(const Json& messages) { return !messages.empty(); }
bool is_temperature(const Json& value) {
  constexpr double kHottest = 2;
  return value.is_number() && value.get<double>() >= 0 && value.get<double>() <= kHottest;
}

schema::Field message() {
  return {.kind = Kind::kObject,
          .fields = {{.name = "role",
                      .description = "Whose message it is.",
                      .required = true,
                      .enumeration = {"system", "user", "assistant", "tool"}},
                     {.name = "content",
                      .description = "What it says.",
                      .required = true,
                      .max_length = kMaxContentBytes}}};
}

schema::Field input() {
  return {.name = "input",
          .kind = Kind::kObject,
          .description = "The conversation: messages, or a prompt, which is one user's message.",
          .required = true,
          .fields = {{.name = "messages",
                      .kind = Kind::kList,
                      .description = "Oldest first.",
                      .max_length = kMaxMessages,
                      .items = {message()},
                      .rules = {{"", "have at least one message", has_messages}}},
                     {.name = "prompt",
                      .description = "One user's message.",
                      .max_length = kMaxContentBytes}},
          .rules = {{"", "have messages or a prompt, and not both", has_one_input}}};
}

schema::Field options() {
  return {.name = "options",
          .kind = Kind::kObject,
          .description = "What the handler is asked to keep to.",
          .fields = {{.name = "maxSteps",
                      .kind = Kind::kInteger,
                      .description = "Of the model and its tools: 1 to 1000.",
                      .minimum = 1,
                      .maximum = 1000},
                     {.name = "temperature",
                      .kind = Kind::kAny,
                      .description = "Of the model: 0 to 2.",
                      .max_length = kMaxNumberBytes,
                      .rules = {{"", "be a number between 0 and 2", is_temperature}}}}};
}

OrderedJson result() {
  return object(
      {{"output", object({{"text", text()}})},
       {"sessionId", text()},
       {"usage",
        object({{"tokens", integer()}, {"computeMs", number()}, {"toolCalls", integer()}})},
       {"traceId", text()}});
}

}  // namespace

const schema::Field& invoke_table() {
  static const schema::Field table = {
      .kind = Kind::kObject,
      .description = "A turn of a conversation.",
      .fields = {{.name = "protocol",
                  .description = "The version of this document.",
                  .enumeration = {"invoke/v1"}},
                 input(),
                 {.name = "sessionId",
                  .description = "Of an earlier answer: the conversation goes on.",
                  .max_length = kMaxIdBytes},
                 options(),
                 {.name = "metadata",
                  .kind = Kind::kObject,
                  .description = "About the request.",
                  .fields = {{.name = "traceId",
                              .description = "Given back with the answer.",
                              .max_length = kMaxIdBytes},
                             {.name = "client",
                              .description = "The calling program.",
                              .max_length = kMaxIdBytes}}}}};
  return table;
}

RouteTable invoke_routes() {
  const std::vector<Parameter> headers = {
      kIdempotencyKeyHeader, kSenderHeader,    kSeqHeader,
      kEnvelopeIdHeader,     kExpiresAtHeader, kTraceparentHeader};
  return {{{invoke_agent,
            Scope::kAgent,
            "POST",
            "/invoke",
            "Run a turn of a conversation and wait for the answer (invoke/v1).",
            Body::kAny,
            headers,
            {{200, "The answer.", kJsonType, "InvokeResult"},
             {202, "The run waits for a decision; GET /envelopes/{id} has its outcome.", kJsonType,
              ""}},
            "InvokeRequest"},
           {invoke_agent_stream,
            Scope::kAgent,
            "POST",
            "/invoke/stream",
            "The same, read along: meta, delta, reset, usage, then done or error.",
            Body::kAny,
            headers,
            {{200, "Server-sent events.", "text/event-stream", ""}},
            "InvokeRequest"}},
          {{"InvokeRequest", schema::to_openapi(invoke_table())}, {"InvokeResult", result()}}};
}

}  // namespace oa::runtime
