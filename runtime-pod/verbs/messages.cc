#include "runtime-pod/verbs/messages.h"

#include <memory>
#include <utility>

#include "runtime-pod/agent/rows.h"

namespace oa::runtime {
namespace {

using SendDone = std::function<void(Result<SendAnswer>)>;

// What a refusal is decided by.
struct Sent {
  AgentId agent;
  std::string envelope_id;
  std::optional<ReplayKey> replay;
};

ItemWrite replay_item(const Sent& sent, Time now) {
  ReplayRow row{.fingerprint = sent.replay->fingerprint};
  row.answer = {{"envelopeId", sent.envelope_id}};
  return {.kind = ItemKind::kReplay,
          .key = sent.replay->key,
          .value = encode(row),
          .number = 0,
          .due = Due{Due::Class::kExpiry, now + kRemembered},
          .condition = {.must_be_absent = true}};
}

// What was answered under the key before; nothing if it is new.
Result<std::optional<SendAnswer>> answer_before(Reader& reader, AgentKey agent,
                                                const ReplayKey& replay) {
  auto item = reader.get_item(agent, ItemKind::kReplay, replay.key);
  if (!item) return item.error();
  if (!*item) return std::optional<SendAnswer>();
  auto row = decode_replay((*item)->value);
  if (!row) return row.error();
  if (row->fingerprint != replay.fingerprint) {
    return make_error(Code::kConflict, "IdempotencyKeyReused",
                      "the Idempotency-Key must be used for one request only but another one with "
                      "it was answered before");
  }
  return std::optional<SendAnswer>({row->answer.value("envelopeId", ""), true});
}

// The store has refused it: because it was taken before, or in earnest.
void refused(const Services& services, const Sent& sent, const Error& why, const SendDone& done) {
  if (why.reason == "Duplicate") return done(SendAnswer{sent.envelope_id, true});
  if (why.reason != "PreconditionFailed" || !sent.replay) return done(why);
  find_agent(services, sent.agent,
             [&services, sent, why, done](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               services.scheduler.post([&services, sent, why, done, agent = (*found)->key()] {
                 auto before = answer_before(services.reader, agent, *sent.replay);
                 if (!before) return done(before.error());
                 if (!*before) return done(why);
                 done(std::move(**before));
               });
             });
}

}  // namespace

void send_message(const Services& services, Intake intake, SendDone done) {
  const Time now = services.clock.now();
  if (auto good = check_intake(intake, now); !good) return done(good.error());
  Sent sent{.agent = intake.agent};
  // Envelopes are told by their ids without it.
  if (!intake.idempotency_key.empty()) sent.replay = replay_key(intake);
  if (intake.seq && intake.envelope_id.empty()) {
    intake.envelope_id = sequence_id(intake.source, intake.sender, *intake.seq);
  }
  Dispatch dispatch{
      .agent = intake.agent, .is_ordered = intake.seq.has_value(), .bytes = intake.body.size()};
  auto envelope = make_envelope(std::move(intake), now, services.ids.uuid(now));
  if (!envelope) return done(envelope.error());
  sent.envelope_id = envelope->id;
  dispatch.trigger = {TriggerType::kMessage, std::move(*envelope)};
  if (sent.replay) dispatch.items.push_back(replay_item(sent, now));
  // The name is looked at first, so that a bad one is told from one that nobody has.
  find_agent(services, sent.agent,
             [&services, sent, dispatch = std::move(dispatch),
              done = std::move(done)](Result<std::shared_ptr<Actor>> found) mutable {
               if (!found) return done(found.error());
               services.host.dispatch(std::move(dispatch),
                                      [&services, sent, done](Result<void> taken) {
                                        if (taken) return done(SendAnswer{sent.envelope_id});
                                        refused(services, sent, taken.error(), done);
                                      });
             });
}

}  // namespace oa::runtime
