// What an actor commits at the end of an item.
#include <algorithm>
#include <utility>

#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/attempt.h"
#include "runtime-pod/agent/jobs.h"
#include "runtime-pod/agent/schedules.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kTraceIdOffset = 3;
constexpr std::size_t kTraceIdSize = 32;

std::string trace_id_of(const Envelope& envelope) {
  if (envelope.traceparent.size() < kTraceIdOffset + kTraceIdSize) return {};
  return envelope.traceparent.substr(kTraceIdOffset, kTraceIdSize);
}

ItemWrite removal(ItemKind kind, const std::string& key) { return {.kind = kind, .key = key}; }

Due expiry(Time now) { return {Due::Class::kExpiry, now + kRemembered}; }

bool writes_row(const std::vector<ItemWrite>& items, ItemKind kind, const std::string& key) {
  return std::any_of(items.begin(), items.end(),
                     [&](const ItemWrite& item) { return item.kind == kind && item.key == key; });
}

bool is_cancelled(const Error& error) { return error.reason == "Cancelled"; }

}  // namespace

AgentCommit Actor::make_commit(Work& work, const QueueItem& item) {
  const Time now = services_.clock.now();
  AgentCommit commit{.agent = key_, .version = next_version_++, .tick = item.tick, .time = now};
  work.outgoing.clear();
  work.next_inbox.clear();
  std::size_t bytes = 0;
  if (work.kind == QueueItem::Kind::kWrite) {
    commit.items = work.items;
    commit.max_storage_bytes = spec_->config.max_storage_bytes;
    for (const ItemWrite& row : commit.items) bytes += row.value ? row.value->size() : 0;
  } else if (!item.verdict) {
    commit.state = work.writes.state;
    commit.items = work.writes.items;
    commit.max_storage_bytes = spec_->config.max_storage_bytes;
    bytes = work.writes.bytes;
    add_success(work, commit, now);
  } else {
    // What only ends something must not fail for lack of room.
    work.new_state = nullptr;
    add_failure(work, item, commit, now);
  }
  const Envelope& envelope = work.trigger->envelope;
  commit.record = record_text({.tick = item.tick,
                               .attempt = item.attempt,
                               .trigger = work.trigger->type,
                               .envelope_id = envelope.id,
                               .source = envelope.source,
                               .sender = envelope.sender,
                               .trace_id = trace_id_of(envelope),
                               .error = item.verdict,
                               .duration = work.report.duration,
                               .usage = work.usage,
                               .written_rows = commit.items.size() + (commit.state ? 1 : 0),
                               .written_bytes = bytes});
  if (!work.events.empty()) {
    commit.events = dump(work.events);
    work.events = Json::array();
  }
  give_ordinals(commit.items, last_ordinal_);
  commit.ordinal = last_ordinal_;
  next_use_ = add_use(next_use_, now,
                      {.ticks = work.kind == QueueItem::Kind::kTick ? 1 : 0,
                       .bytes = static_cast<std::int64_t>(bytes),
                       .iterations = work.usage.iterations});
  commit.use = next_use_;
  for (const ItemWrite& row : commit.items) {
    if (row.kind != ItemKind::kOutbox || !row.value) continue;
    if (auto entry = decode_outbox(*row.value)) {
      work.outgoing.emplace_back(row.key, std::move(*entry));
    }
  }
  if (work.new_state) next_state_ = work.new_state;
  return commit;
}

// What becomes of the row of an alarm or a schedule, unless it was written since it was read.
ItemWrite Actor::end_of_source(const Work& work, bool ran) {
  const Source& source = work.source;
  ItemWrite end = removal(ItemKind::kAlarm, source.key);
  if (source.kind == Source::Kind::kSchedule) {
    ScheduleRow row = work.schedule;
    if (ran) ++row.ran;
    end = schedule_item(source.key, row);
  }
  end.condition = {.versions = {{source.number}}, .or_skip = true};
  return end;
}

void Actor::add_success(Work& work, AgentCommit& commit, Time now) {
  const Source& source = work.source;
  switch (source.kind) {
    case Source::Kind::kNone:
      break;
    case Source::Kind::kInbox:
      commit.items.push_back(removal(ItemKind::kInbox, source.key));
      if (work.job) break;
      commit.items.push_back({.kind = ItemKind::kEnvelope,
                              .key = work.trigger->envelope.id,
                              .value = encode(EnvelopeRow{.status = EnvelopeRow::Status::kSucceeded,
                                                          .accepted = work.accepted,
                                                          .finished = now,
                                                          .report = work.report}),
                              .number = 0,
                              .due = expiry(now)});
      break;
    case Source::Kind::kAlarm:
      // Its own handler may have set it anew, and so may somebody else meanwhile.
      if (writes_row(commit.items, ItemKind::kAlarm, source.key)) break;
      commit.items.push_back(end_of_source(work, true));
      break;
    case Source::Kind::kSchedule:
      commit.items.push_back(end_of_source(work, true));
      break;
  }
  add_journal_end(work, false, commit, now);
  add_job(work, std::nullopt, commit, now);
  add_replay(work, std::nullopt, commit, now);
}

void Actor::add_failure(Work& work, const QueueItem& item, AgentCommit& commit, Time now) {
  const Source& source = work.source;
  const Error& error = *item.verdict;
  const bool is_request = work.trigger->type == TriggerType::kRequest;
  const bool buries =
      !is_request && !work.job && !is_cancelled(error) && source.kind != Source::Kind::kNone;
  if (buries) add_dead_letter(work, item, commit, now);
  if (source.kind == Source::Kind::kInbox) {
    commit.items.push_back(removal(ItemKind::kInbox, source.key));
    if (!work.job) {
      EnvelopeRow row{.accepted = work.accepted, .finished = now, .error = error};
      row.status = is_cancelled(error) ? EnvelopeRow::Status::kCancelled
                   : buries            ? EnvelopeRow::Status::kDeadLettered
                                       : EnvelopeRow::Status::kFailed;
      if (buries) row.dead_letter = ordinal_key(last_ordinal_);
      commit.items.push_back({.kind = ItemKind::kEnvelope,
                              .key = work.trigger->envelope.id,
                              .value = encode(row),
                              .number = 0,
                              .due = expiry(now)});
    }
  } else if (source.kind != Source::Kind::kNone) {
    commit.items.push_back(end_of_source(work, false));
  }
  add_journal_end(work, true, commit, now);
  add_job(work, error, commit, now);
  if (!error.retryable) {
    add_replay(work, error, commit, now);
  } else if (work.replay && source.kind == Source::Kind::kInbox) {
    // The same may be asked again.
    commit.items.push_back(removal(ItemKind::kReplay, work.replay->key));
  }
}

void Actor::add_dead_letter(const Work& work, const QueueItem& item, AgentCommit& commit,
                            Time now) {
  const Error& error = *item.verdict;
  DeadLetterRow row;
  row.trigger = *work.trigger;
  row.reason = error.reason.empty() ? "HandlerFailed" : error.reason;
  row.error = error;
  row.attempts = item.attempt;
  row.accepted = work.accepted;
  row.buried = now;
  services_.metrics.dead_letter(row.reason);
  commit.items.push_back({.kind = ItemKind::kDeadLetter,
                          .key = ordinal_key(++last_ordinal_),
                          .value = encode(row),
                          .number = 0});
}

// Journalled steps go with their envelope. What was to be undone is, the last first, one at a time:
// all of it has one destination in the outbox.
void Actor::add_journal_end(Work& work, bool failed, AgentCommit& commit, Time now) {
  for (const std::string& key : work.steps) commit.items.push_back(removal(ItemKind::kStep, key));
  const Envelope& envelope = work.trigger->envelope;
  for (auto undo = work.compensations.rbegin(); undo != work.compensations.rend(); ++undo) {
    commit.items.push_back(removal(ItemKind::kCompensation, undo->first));
    if (!failed) continue;
    OutboxRow row = outbox_row(undo->second, {id_, envelope.traceparent, now});
    row.destination = "compensation " + envelope.id;
    commit.items.push_back(outbox_item(row));
  }
}

void Actor::add_job(Work& work, const std::optional<Error>& error, AgentCommit& commit, Time now) {
  if (!work.job) return;
  // A copy: what is not committed in the end runs again from what was there before.
  JobRow job = *work.job;
  work.next_inbox.clear();
  ++job.ticks;
  if (!job.started) job.started = now;
  if (work.writes.job && !work.writes.job->progress.is_null()) {
    job.progress = work.writes.job->progress;
  }
  const bool goes_on = !error && work.writes.job && work.writes.job->goes_on;
  if (goes_on) {
    job.status = JobRow::Status::kRunning;
    job.inbox = work.next_inbox = ordinal_key(++last_ordinal_);
    commit.items.push_back(
        {.kind = ItemKind::kInbox,
         .key = job.inbox,
         .value = encode(InboxRow{.trigger = *work.trigger, .job = job.id, .ticks = job.ticks}),
         .number = 0,
         .due = Due{Due::Class::kWork, now}});
  } else {
    finish_job(job, error, work.report.reply, now);
    if (!job.callback_url.empty()) {
      commit.items.push_back(
          outbox_item(callback_row(job, {id_, work.trigger->envelope.traceparent, now})));
    }
  }
  commit.items.push_back(job_item(job));
}

void Actor::add_replay(const Work& work, const std::optional<Error>& error, AgentCommit& commit,
                       Time now) const {
  if (!work.replay) return;
  ReplayRow row{.fingerprint = work.replay->fingerprint, .error = error};
  if (!error) row.report = work.report;
  commit.items.push_back({.kind = ItemKind::kReplay,
                          .key = work.replay->key,
                          .value = encode(row),
                          .number = 0,
                          .due = expiry(now)});
}

}  // namespace oa::runtime
