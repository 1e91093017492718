#include "runtime-pod/verbs/run.h"

#include <utility>

#include "core/json.h"
#include "core/wire.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/intake.h"
#include "runtime-pod/http/links.h"
#include "runtime-pod/http/run_stream.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/envelopes.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kEventStream = "text/event-stream";

// More than this is read on a worker, so that other connections need not wait for it.
constexpr std::size_t kReadAtOnceBytes = 64 * 1024;

// Without the opening brace and the output, which is JSON text already.
std::string run_tail(const TickReport& report) {
  const OrderedJson tail = {{"tickId", tick_id(report.tick)},
                            {"envelopeId", report.envelope_id},
                            {"usage", usage_json(report)}};
  return tail.dump().substr(1);
}

std::string run_body(const TickReport& report) {
  if (!report.reply.is_raw) return "{\"output\":" + report.reply.body + "," + run_tail(report);
  const OrderedJson output = {{"outputBase64", crypto::base64_encode(report.reply.body)},
                              {"contentType", report.reply.content_type}};
  std::string body = output.dump();
  body.back() = ',';
  return body + run_tail(report);
}

net::Response accepted_response(const Call& call, const std::string& envelope,
                                const Preferences& preferences) {
  net::Response response = net::json_response(202, OrderedJson{{"envelopeId", envelope}}.dump());
  response.headers.add("Location", agent_link(call, {"envelopes", envelope}));
  const std::string applied = preferences.applied();
  if (!applied.empty()) response.headers.add("Preference-Applied", applied);
  response.headers.add(std::string(wire::kHeaderEnvelopeId), envelope);
  return response;
}

void wait_for_run(const CallPtr& call, RunRequest request) {
  const Preferences preferences = read_preferences(call->request.headers);
  request.wait = preferences.patience();
  const auto caller = run(
      call->services, std::move(request), [call, preferences](const Result<RunOutcome>& outcome) {
        if (!outcome) return call->fail(outcome.error());
        if (!outcome->report) {
          return call->answer(accepted_response(*call, outcome->envelope_id, preferences));
        }
        net::Response response = run_response(*outcome->report);
        if (outcome->is_repeat) response.headers.add("Idempotent-Replayed", "true");
        call->answer(std::move(response));
      });
  watch_client(call, caller);
}

void stream_to(const CallPtr& call, RunRequest request) {
  if (call->trace_id.empty()) call->trace_id = call->services.ids.trace_id();
  RunStreamFormat format;
  format.meta = [](const std::string& tick, int attempt) {
    return OrderedJson{{"tickId", tick}, {"attempt", attempt}};
  };
  format.usage = [](const TickReport& report) { return usage_json(report).dump(); };
  format.done = run_body;
  format.error = [call](const Error& error) {
    return "{\"problem\":" + net::problem_response(error, call->trace_id).body + "}";
  };
  format.refuse = [call](const Error& error) { call->fail(error); };
  stream_run(call, std::move(request), std::move(format));
}

void start_run(const CallPtr& call, TriggerType trigger) {
  const auto read_and_run = [call, trigger] {
    const bool streams = accepts(call->header("Accept"), kEventStream);
    auto intake = read_intake(*call);
    if (!intake) return call->fail(intake.error());
    RunRequest request{.trigger = trigger, .intake = std::move(*intake)};
    with_agent(call, [call, streams, request = std::move(request)](const auto&) {
      streams ? stream_to(call, request) : wait_for_run(call, request);
    });
  };
  if (call->request.body.size() <= kReadAtOnceBytes) return read_and_run();
  on_worker(call, read_and_run);
}

}  // namespace

net::Response run_response(const TickReport& report) {
  net::Response response;
  if (report.reply.is_raw) {
    response.headers.add("Content-Type", report.reply.content_type);
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.body = report.reply.body;
  } else {
    response = net::json_response(200, run_body(report));
  }
  response.headers.add(std::string(wire::kHeaderTickId), tick_id(report.tick));
  response.headers.add(std::string(wire::kHeaderEnvelopeId), report.envelope_id);
  if (report.hibernates) {
    response.headers.add(std::string(wire::kHeaderHibernate), "requested");
  }
  return response;
}

void run_agent(const CallPtr& call) { start_run(call, TriggerType::kRequest); }

void tick_agent(const CallPtr& call) { start_run(call, TriggerType::kManual); }

}  // namespace oa::runtime
