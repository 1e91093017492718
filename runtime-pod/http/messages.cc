#include "runtime-pod/verbs/messages.h"

#include <utility>

#include "core/json.h"
#include "core/wire.h"
#include "runtime-pod/http/intake.h"
#include "runtime-pod/http/links.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/dead_letters.h"
#include "runtime-pod/verbs/envelopes.h"

namespace oa::runtime {
namespace {

// More than this is read on a worker, so that other connections need not wait for it.
constexpr std::size_t kReadAtOnceBytes = 64 * 1024;

std::string text_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void read_and_send(const CallPtr& call) {
  auto intake = read_intake(*call);
  if (!intake) return call->fail(intake.error());
  with_agent(call, [call, intake = std::move(*intake)](const std::shared_ptr<Actor>&) {
    send_message(call->services, intake, [call](const Result<SendAnswer>& answer) {
      if (!answer) return call->fail(answer.error());
      call->answer(taken_response(*call, *answer));
    });
  });
}

void answer_outcome(const CallPtr& call, const Result<EnvelopeOutcome>& outcome) {
  if (!outcome) return call->fail(outcome.error());
  call->answer(net::json_response(200, text_of(envelope_document(*outcome))));
}

std::string page_body(const DeadLetterPage& page) {
  OrderedJson body{{"items", OrderedJson::array()}};
  for (const DeadLetter& letter : page.items) {
    body["items"].push_back(dead_letter_document(letter));
  }
  if (page.next) body["cursor"] = *page.next;
  return text_of(body);
}

}  // namespace

net::Response taken_response(const Call& call, const SendAnswer& answer) {
  OrderedJson body{{"envelopeId", answer.envelope_id}};
  if (answer.is_duplicate) body["duplicate"] = true;
  net::Response response = net::json_response(202, text_of(body));
  response.headers.add("Location", agent_link(call, {"envelopes", answer.envelope_id}));
  response.headers.add(std::string(wire::kHeaderEnvelopeId), answer.envelope_id);
  return response;
}

void send_to_agent(const CallPtr& call) {
  if (call->request.body.size() <= kReadAtOnceBytes) return read_and_send(call);
  on_worker(call, [call] { read_and_send(call); });
}

void get_envelope(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    find_envelope(
        call->services, call->agent, call->match.parameter("id"),
        [call](const Result<EnvelopeOutcome>& outcome) { answer_outcome(call, outcome); });
  });
}

void delete_envelope(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    cancel_envelope(
        call->services, call->agent, call->match.parameter("id"),
        [call](const Result<EnvelopeOutcome>& outcome) { answer_outcome(call, outcome); });
  });
}

void get_dead_letters(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  with_agent(call, [call, limit = *limit](const std::shared_ptr<Actor>&) {
    const std::string after(call->target.query_value("cursor").value_or(""));
    list_dead_letters(call->services, call->agent, after, limit,
                      [call](const Result<DeadLetterPage>& page) {
                        if (!page) return call->fail(page.error());
                        call->answer(net::json_response(200, page_body(*page)));
                      });
  });
}

void get_dead_letter(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    find_dead_letter(
        call->services, call->agent, call->match.parameter("id"),
        [call](const Result<DeadLetter>& letter) {
          if (!letter) return call->fail(letter.error());
          call->answer(net::json_response(200, text_of(dead_letter_document(*letter))));
        });
  });
}

void post_dead_letter_replay(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    replay_dead_letter(call->services, call->agent, call->match.parameter("id"),
                       [call](const Result<std::string>& envelope) {
                         if (!envelope) return call->fail(envelope.error());
                         call->answer(taken_response(*call, {*envelope}));
                       });
  });
}

void delete_one_dead_letter(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    delete_dead_letter(call->services, call->agent, call->match.parameter("id"),
                       [call](const Result<void>& removed) {
                         if (!removed) return call->fail(removed.error());
                         net::Response response;
                         response.status = 204;
                         call->answer(std::move(response));
                       });
  });
}

}  // namespace oa::runtime
