#include "runtime-pod/verbs/events.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/events/webhook_signature.h"
#include "runtime-pod/secrets.h"

namespace oa::runtime {
namespace {

using WebhookDone = std::function<void(Result<SendAnswer>)>;

constexpr std::size_t kMaxPlainDelivery = 128;

bool is_plain(std::string_view text) {
  return text.size() <= kMaxPlainDelivery && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '-' || c == '.' || c == '_' || c == '~' || c == ':';
         });
}

void dispatch_event(const Services& services, const AgentId& agent, Envelope envelope,
                    std::size_t bytes, WebhookDone done) {
  SendAnswer answer{envelope.id};
  Dispatch dispatch{
      .agent = agent, .trigger = {TriggerType::kEvent, std::move(envelope)}, .bytes = bytes};
  services.host.dispatch(std::move(dispatch), [answer = std::move(answer),
                                               done = std::move(done)](Result<void> taken) mutable {
    answer.is_duplicate = !taken && taken.error().reason == "Duplicate";
    if (!taken && !answer.is_duplicate) return done(taken.error());
    done(std::move(answer));
  });
}

// Reads the secret, so on a worker.
void verify_and_take(const Services& services, const WebhookSource& source, Webhook webhook,
                     const WebhookDone& done) {
  const Time now = services.clock.now();
  // Without a secret nothing can be verified, which is what the sender is told.
  const auto secrets = read_secret(services.secrets_dir, source.secret);
  const auto verified =
      verify_webhook(source.scheme, secrets ? *secrets : std::vector<std::string>(),
                     webhook.headers, webhook.body, now, source.tolerance);
  if (!verified) return done(verified.error());
  const std::size_t bytes = webhook.body.size();
  auto payload = read_payload(webhook.headers.get("Content-Type"), std::move(webhook.body));
  if (!payload) return done(payload.error());
  dispatch_event(services, webhook.agent,
                 {.id = webhook_envelope_id(source.source, verified->delivery_id),
                  .source = "webhooks",
                  .sender = source.source,
                  .time = now,
                  .traceparent = std::move(webhook.traceparent),
                  .payload = std::move(*payload)},
                 bytes, done);
}

// A request's events on their way.
struct Batch {
  const Services& services;
  AgentId agent;
  std::vector<CloudEvent> events;
  std::string traceparent;
  std::vector<SendAnswer> answers;
  std::function<void(Result<std::vector<SendAnswer>>)> done;
};

void take_next(const std::shared_ptr<Batch>& batch) {
  const std::size_t index = batch->answers.size();
  if (index == batch->events.size()) return batch->done(std::move(batch->answers));
  const CloudEvent& event = batch->events[index];
  Payload payload{.kind = Payload::Kind::kJson,
                  .json = to_json(event),
                  .content_type = "application/cloudevents+json"};
  const std::size_t bytes = dump(payload.json).size();
  dispatch_event(batch->services, batch->agent,
                 {.id = envelope_id(event),
                  .source = "events",
                  .sender = event.source,
                  .time = batch->services.clock.now(),
                  .traceparent = batch->traceparent,
                  .payload = std::move(payload)},
                 bytes, [batch, index](Result<SendAnswer> answer) {
                   if (answer) {
                     batch->answers.push_back(std::move(*answer));
                     return take_next(batch);
                   }
                   Error why = answer.error();
                   if (batch->events.size() > 1) {
                     why.detail = "events[" + std::to_string(index) + "]: " + why.detail;
                   }
                   batch->done(std::move(why));
                 });
}

}  // namespace

std::string webhook_envelope_id(std::string_view source, std::string_view delivery) {
  std::string id = std::string(source) + ":";
  if (is_plain(delivery)) return id.append(delivery);
  return id + "sha256:" + crypto::hex_encode(crypto::bytes_of(crypto::sha256(delivery)));
}

void take_webhook(const Services& services, Webhook webhook, WebhookDone done) {
  auto one = std::make_shared<Webhook>(std::move(webhook));
  find_agent(services, one->agent, [&services, one, done](Result<std::shared_ptr<Actor>> actor) {
    if (!actor) return done(actor.error());
    const auto spec = (*actor)->spec();
    const auto source =
        std::find_if(spec->webhooks.begin(), spec->webhooks.end(),
                     [&](const WebhookSource& each) { return each.source == one->source; });
    if (source == spec->webhooks.end()) {
      return done(
          make_error(Code::kNotFound, "agent " + to_string(one->agent) + " has no webhook source " +
                                          shorten(one->source, 64) + " in its spec.webhooks"));
    }
    services.scheduler.post([&services, one, done, source = *source] {
      verify_and_take(services, source, std::move(*one), done);
    });
  });
}

void take_events(const Services& services, const AgentId& agent, std::vector<CloudEvent> events,
                 std::string traceparent,
                 std::function<void(Result<std::vector<SendAnswer>>)> done) {
  take_next(std::make_shared<Batch>(
      Batch{services, agent, std::move(events), std::move(traceparent), {}, std::move(done)}));
}

}  // namespace oa::runtime
