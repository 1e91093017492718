#include "runtime-pod/verbs/events.h"

#include <utility>

#include "core/json.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

std::string traceparent_of(const Call& call) {
  return call.trace_id.empty() ? std::string() : std::string(call.header("traceparent"));
}

net::Response events_response(const std::vector<SendAnswer>& answers) {
  OrderedJson body{{"envelopeIds", OrderedJson::array()}};
  OrderedJson duplicates = OrderedJson::array();
  for (const SendAnswer& answer : answers) {
    body["envelopeIds"].push_back(answer.envelope_id);
    if (answer.is_duplicate) duplicates.push_back(answer.envelope_id);
  }
  if (!duplicates.empty()) body["duplicates"] = std::move(duplicates);
  return net::json_response(202, body.dump());
}

}  // namespace

void post_webhook(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    Webhook webhook{.agent = call->agent,
                    .source = call->match.parameter("source"),
                    .headers = std::move(call->request.headers),
                    .body = std::move(call->request.body)};
    webhook.traceparent =
        call->trace_id.empty() ? std::string() : std::string(webhook.headers.get("traceparent"));
    take_webhook(call->services, std::move(webhook), [call](const Result<SendAnswer>& answer) {
      if (!answer) return call->fail(answer.error());
      call->answer(taken_response(*call, *answer));
    });
  });
}

void post_events(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    on_worker(call, [call] {
      auto events = parse_cloudevents(call->request.headers, call->request.body);
      if (!events) return call->fail(events.error());
      take_events(call->services, call->agent, std::move(*events), traceparent_of(*call),
                  [call](const Result<std::vector<SendAnswer>>& answers) {
                    if (!answers) return call->fail(answers.error());
                    call->answer(events_response(*answers));
                  });
    });
  });
}

void shake_hands_for_events(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    auto headers = webhook_handshake(call->request.headers, std::nullopt);
    if (!headers) return call->fail(headers.error());
    net::Response response;
    response.headers = std::move(*headers);
    call->answer(std::move(response));
  });
}

}  // namespace oa::runtime
