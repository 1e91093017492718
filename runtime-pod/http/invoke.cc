#include "runtime-pod/verbs/invoke.h"

#include <algorithm>
#include <utility>

#include "core/json.h"
#include "runtime-pod/http/intake.h"
#include "runtime-pod/http/json_body.h"
#include "runtime-pod/http/run_stream.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/run.h"

namespace oa::runtime {
namespace {

std::string text_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

OrderedJson error_envelope(const Error& error, const std::string& trace_id) {
  OrderedJson body = {{"code", code_name(error.code)}, {"message", error.detail}};
  OrderedJson details;
  if (!error.reason.empty()) details["reason"] = error.reason;
  for (const FieldError& field : error.fields) {
    details["errors"].push_back(
        OrderedJson{{"path", field.path}, {"value", field.value}, {"must", field.must}});
  }
  if (!details.empty()) body["details"] = std::move(details);
  body["retryable"] = error.retryable;
  return {{"error", std::move(body)}, {"traceId", trace_id}};
}

net::Response error_response(const Error& error, const std::string& trace_id) {
  // Status and Retry-After are those of every other verb.
  net::Response response = net::problem_response(error, trace_id);
  response.headers.set("Content-Type", "application/json");
  response.body = text_of(error_envelope(error, trace_id));
  return response;
}

OrderedJson usage_of(const TickReport& report) {
  OrderedJson usage;
  const std::int64_t tokens = report.usage.tokens_in + report.usage.tokens_out;
  if (tokens > 0) usage["tokens"] = tokens;
  usage["computeMs"] = static_cast<double>(report.duration.count()) / 1000;
  usage["toolCalls"] = report.usage.iterations;
  return usage;
}

std::string answer_text(const TickReport& report, const std::string& session,
                        const std::string& trace_id) {
  return text_of({{"output", {{"text", reply_text(report.reply)}}},
                  {"sessionId", session},
                  {"usage", usage_of(report)},
                  {"traceId", trace_id}});
}

bool is_trace_id(const std::string& text) {
  constexpr std::size_t kDigits = 32;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos &&
         text.find_first_not_of('0') != text.npos;
}

// The caller's trace goes on, whichever way it was named; else one begins.
void take_trace(Call& call, const Json& metadata, Intake& intake) {
  const std::string named = metadata.is_object() ? metadata.value("traceId", "") : "";
  if (call.trace_id.empty()) {
    constexpr std::size_t kParentDigits = 16;
    const bool is_one = is_trace_id(named);
    call.trace_id = is_one ? named : call.services.ids.trace_id();
    intake.traceparent =
        "00-" + call.trace_id + "-" + call.services.ids.trace_id().substr(0, kParentDigits) + "-01";
  }
  // An id of the caller's own making is given back as it came.
  if (!named.empty()) call.trace_id = named;
}

void wait_for_answer(const CallPtr& call, RunRequest request, const std::string& session) {
  const auto caller =
      run(call->services, std::move(request), [call, session](const Result<RunOutcome>& outcome) {
        if (!outcome) return call->fail(outcome.error());
        if (outcome->report) {
          return call->answer(
              net::json_response(200, answer_text(*outcome->report, session, call->trace_id)));
        }
        call->answer(net::json_response(202, text_of({{"envelopeId", outcome->envelope_id},
                                                      {"sessionId", session},
                                                      {"traceId", call->trace_id}})));
      });
  watch_client(call, caller);
}

void stream_answer(const CallPtr& call, RunRequest request, const std::string& session) {
  RunStreamFormat format;
  format.meta = [call, session](const std::string& tick, int attempt) {
    return OrderedJson{{"traceId", call->trace_id},
                       {"sessionId", session},
                       {"tickId", tick},
                       {"attempt", attempt}};
  };
  format.usage = [](const TickReport& report) { return text_of(usage_of(report)); };
  format.done = [call, session](const TickReport& report) {
    return answer_text(report, session, call->trace_id);
  };
  format.error = [call](const Error& error) {
    return text_of(error_envelope(error, call->trace_id));
  };
  format.refuse = [call](const Error& error) { call->fail(error); };
  stream_run(call, std::move(request), std::move(format));
}

using Answer = void (*)(const CallPtr& call, RunRequest request, const std::string& session);

void invoke(const CallPtr& call, Answer answer) {
  call->format_error = error_response;
  with_json_body(call, invoke_table(), [call, answer](const Json& body) {
    auto intake = read_intake(*call);
    if (!intake) return call->fail(intake.error());
    take_trace(*call, body.value("metadata", Json()), *intake);
    with_agent(call, [call, answer, body, intake = *intake](const std::shared_ptr<Actor>&) {
      open_session(call->services, intake, body.value("sessionId", ""),
                   [call, answer, body, intake](const Result<std::string>& session) {
                     if (!session) return call->fail(session.error());
                     RunRequest request{.intake = intake};
                     request.payload =
                         invoke_payload(body["input"], *session, body.value("options", Json()));
                     answer(call, std::move(request), *session);
                   });
    });
  });
}

}  // namespace

void invoke_agent(const CallPtr& call) { invoke(call, wait_for_answer); }

void invoke_agent_stream(const CallPtr& call) { invoke(call, stream_answer); }

}  // namespace oa::runtime
