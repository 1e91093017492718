#include "runtime-pod/verbs/envelopes.h"

#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

double milliseconds(Duration span) { return static_cast<double>(span.count()) / 1000; }

bool is_over(EnvelopeRow::Status status) {
  return status != EnvelopeRow::Status::kQueued && status != EnvelopeRow::Status::kWaiting;
}

Error unknown(const std::string& id) {
  return make_error(Code::kNotFound, "envelope \"" + shorten(id, 64) +
                                         "\" does not exist: it was never taken, or its outcome is "
                                         "longer ago than " +
                                         format_duration(kRemembered));
}

Error too_late(const EnvelopeOutcome& outcome) {
  return make_error(Code::kConflict, "TooLate",
                    "envelope \"" + shorten(outcome.id, 64) + "\" is over: it has the status " +
                        std::string(status_name(outcome.row.status)));
}

Error cancelled(const std::string& id) {
  return make_error(Code::kConflict, "Cancelled",
                    "envelope \"" + shorten(id, 64) + "\" was cancelled");
}

Result<EnvelopeOutcome> read_outcome(Reader& reader, AgentKey agent, const std::string& id) {
  auto item = reader.get_item(agent, ItemKind::kEnvelope, id);
  if (!item) return item.error();
  if (!*item) return unknown(id);
  auto row = decode_envelope((*item)->value);
  if (!row) return row.error();
  return EnvelopeOutcome{id, std::move(*row)};
}

// `found` on a worker, with the outcome as it is on disk.
void with_outcome(const Services& services, const AgentId& agent, const std::string& id,
                  const OutcomeDone& done,
                  std::function<void(const std::shared_ptr<Actor>&, EnvelopeOutcome)> found) {
  find_agent(services, agent,
             [&services, id, done, found = std::move(found)](Result<std::shared_ptr<Actor>> actor) {
               if (!actor) return done(actor.error());
               services.scheduler.post([&services, id, done, found, actor = *actor] {
                 auto outcome = read_outcome(services.reader, actor->key(), id);
                 if (!outcome) return done(outcome.error());
                 found(actor, std::move(*outcome));
               });
             });
}

// The one that waits for a decision is not in memory: it is taken up, and ended at once. The id of
// what it waits for, or nothing.
Result<std::string> take_up(const Services& services, Actor& actor,
                            const EnvelopeOutcome& outcome) {
  if (actor.phase(outcome.id) != Phase::kNone) return std::string();
  auto item = services.reader.get_item(actor.key(), ItemKind::kInbox, outcome.row.inbox);
  if (!item) return item.error();
  // It came to its end this moment.
  if (!*item) return std::string();
  auto row = decode_inbox((*item)->value);
  if (!row) return row.error();
  const std::string approval = row->approval;
  static_cast<void>(actor.resume(outcome.row.inbox, std::move(*row)));
  return approval;
}

// What the disk says after a cancellation is the outcome: whoever was first has decided it.
void decide(const Services& services, const EnvelopeOutcome& outcome, const std::string& approval,
            const AgentId& agent, const OutcomeDone& done) {
  if (is_over(outcome.row.status) && outcome.row.status != EnvelopeRow::Status::kCancelled) {
    return done(too_late(outcome));
  }
  if (!is_over(outcome.row.status)) {
    return done(make_error(Code::kUnavailable, "the end of envelope \"" + shorten(outcome.id, 64) +
                                                   "\" could not be stored: try again later"));
  }
  if (approval.empty()) return done(outcome);
  // Nobody needs to decide any more.
  services.host.append(agent, {{.kind = ItemKind::kApproval, .key = approval}},
                       [outcome, done](const Result<Committed>&) { done(outcome); });
}

}  // namespace

OrderedJson usage_json(const TickReport& report) {
  return {{"durationMs", milliseconds(report.duration)},
          {"steps", report.usage.steps},
          {"tokensIn", report.usage.tokens_in},
          {"tokensOut", report.usage.tokens_out},
          {"storageBytes", report.storage_bytes}};
}

OrderedJson error_document(const Error& error) {
  OrderedJson json{{"code", code_name(error.code)}};
  if (!error.reason.empty()) json["reason"] = error.reason;
  json["detail"] = error.detail;
  json["retryable"] = error.retryable;
  return json;
}

void add_report(OrderedJson& json, const TickReport& report) {
  if (report.reply.is_raw) {
    json["outputBase64"] = crypto::base64_encode(report.reply.body);
    json["contentType"] = report.reply.content_type;
  } else {
    OrderedJson output = OrderedJson::parse(report.reply.body, nullptr, /*allow_exceptions=*/false);
    json["output"] = output.is_discarded() ? OrderedJson(report.reply.body) : std::move(output);
  }
  json["tickId"] = tick_id(report.tick);
  json["usage"] = usage_json(report);
}

OrderedJson envelope_document(const EnvelopeOutcome& outcome) {
  const EnvelopeRow& row = outcome.row;
  const bool runs = outcome.is_running && !is_over(row.status);
  OrderedJson json{{"id", outcome.id},
                   {"status", runs ? "Running" : status_name(row.status)},
                   {"acceptedAt", format_time_millis(row.accepted)}};
  if (row.finished) json["finishedAt"] = format_time_millis(*row.finished);
  if (row.report) add_report(json, *row.report);
  if (row.error) json["error"] = error_document(*row.error);
  if (!row.dead_letter.empty()) json["deadLetter"] = row.dead_letter;
  return json;
}

void find_envelope(const Services& services, const AgentId& agent, const std::string& id,
                   OutcomeDone done) {
  with_outcome(services, agent, id, done,
               [done](const std::shared_ptr<Actor>& actor, EnvelopeOutcome outcome) {
                 const Phase phase = actor->phase(outcome.id);
                 outcome.is_running = phase == Phase::kHandling || phase == Phase::kCommitting;
                 done(std::move(outcome));
               });
}

void cancel_envelope(const Services& services, const AgentId& agent, const std::string& id,
                     OutcomeDone done) {
  with_outcome(
      services, agent, id, done,
      [&services, agent, id, done](const std::shared_ptr<Actor>& actor,
                                   const EnvelopeOutcome& before) {
        if (is_over(before.row.status)) return done(too_late(before));
        const auto approval = take_up(services, *actor, before);
        if (!approval) return done(approval.error());
        actor->cancel(
            id, cancelled(id),
            [&services, agent, id, done, approval = *approval](const Result<TickReport>& end) {
              if (!end && end.error().reason == "TooLate") return done(end.error());
              with_outcome(services, agent, id, done,
                           [&services, agent, done, approval](const std::shared_ptr<Actor>&,
                                                              EnvelopeOutcome after) {
                             decide(services, after, approval, agent, done);
                           });
            });
      });
}

}  // namespace oa::runtime
