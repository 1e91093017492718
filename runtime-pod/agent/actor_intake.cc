// How items come to an actor, and leave it before their time.
#include <utility>

#include "core/text.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/attempt.h"
#include "runtime-pod/agent/jobs.h"

namespace oa::runtime {
namespace {

Error suspended(const AgentId& id) {
  return make_error(
      Code::kConflict, "Suspended",
      "agent " + to_string(id) + " is suspended: its spec.replicas must be 1 for it to run");
}

Error overflow(std::int64_t capacity) {
  return make_error(Code::kRateLimited, "Overflow",
                    "the agent's inbox held spec.config.inbox.capacity, " +
                        std::to_string(capacity) + ", envelopes");
}

ItemWrite overflow_item(const std::string& key, const Trigger& trigger, const Error& error,
                        Time now) {
  DeadLetterRow row{.reason = "Overflow", .error = error, .accepted = now, .buried = now};
  row.trigger = trigger;
  return {.kind = ItemKind::kDeadLetter, .key = key, .value = encode(row), .number = 0};
}

// Its sender's last number, which only rises.
ItemWrite sender_item(const Envelope& envelope) {
  return {.kind = ItemKind::kSender,
          .key = envelope.source + '\n' + envelope.sender,
          .value = "",
          .number = envelope.seq,
          .condition = {.must_advance = true}};
}

// So that one agent does not take all of what may be on its way at a time.
constexpr std::size_t kMaxFired = 1000;

bool may_be_refused(const std::vector<ItemWrite>& items) {
  for (const ItemWrite& item : items) {
    const ItemCondition& condition = item.condition;
    if (condition.must_exist || condition.must_be_absent || condition.must_advance ||
        condition.any_version || condition.versions) {
      return true;
    }
  }
  return false;
}

// What waits for a decision is not due by itself.
// Of a row that could not be read: so its failure can be told.
Trigger unread_trigger(const DueRow& row) {
  Trigger trigger;
  trigger.type = TriggerType::kAlarm;
  trigger.envelope.id = (row.kind == ItemKind::kAlarm ? "alarm/" : "schedule/") + row.key;
  trigger.envelope.source = row.kind == ItemKind::kAlarm ? "alarm" : "schedule";
  trigger.envelope.time = row.at;
  return trigger;
}

}  // namespace

std::string Actor::lane_of(const Trigger& trigger) const {
  const Envelope& envelope = trigger.envelope;
  if (envelope.sender.empty() || spec_->config.inbox.order == InboxOrder::kRelaxed) return {};
  return envelope.source + '\n' + envelope.sender;
}

std::optional<Error> Actor::refusal() const {
  if (spec_->replicas == 0) return suspended(id_);
  return turn_.closed;
}

Ticket Actor::add_work(Work work) {
  const Ticket ticket = ++last_ticket_;
  if (work.trigger && work.source.kind != Source::Kind::kNone) {
    by_envelope_[work.trigger->envelope.id] = ticket;
  }
  works_.emplace(ticket, std::move(work));
  services_.metrics.inbox_depth.add(1);
  return ticket;
}

bool Actor::submit(Submission& submission) {
  std::unique_lock lock(mutex_);
  if (retired_) return false;
  if (const auto why = refusal()) {
    lock.unlock();
    submission.answered(*why);
    return true;
  }
  if (submission.replay) {
    // The same request is under way: both get its answer.
    const auto known = by_replay_.find(submission.replay->key);
    if (known != by_replay_.end()) {
      Work& first = works_.at(known->second);
      if (first.replay->fingerprint == submission.replay->fingerprint) {
        first.callers.push_back(std::move(submission.answered));
        submission.ticket = known->second;
        return true;
      }
      lock.unlock();
      submission.answered(make_error(Code::kConflict, "IdempotencyKeyReused",
                                     "the Idempotency-Key must be used for one request only but "
                                     "another one with it is under way"));
      return true;
    }
  }
  Work work;
  work.kind = submission.kind;
  work.report.envelope_id = submission.trigger.envelope.id;
  work.accepted = submission.trigger.envelope.time;
  QueueItem item{.kind = submission.kind,
                 .lane = lane_of(submission.trigger),
                 .is_barrier = may_be_refused(submission.items),
                 .deadline = submission.deadline};
  work.trigger = std::make_shared<const Trigger>(std::move(submission.trigger));
  work.items = std::move(submission.items);
  work.replay = std::move(submission.replay);
  work.permit = std::move(submission.permit);
  work.callers.push_back(std::move(submission.answered));
  work.must_load = work.replay.has_value();
  const auto replay = work.replay;
  item.ticket = submission.ticket = add_work(std::move(work));
  if (replay) by_replay_[replay->key] = item.ticket;
  advance(Arrived{std::move(item)});
  run_effects(lock);
  return true;
}

// Room for one more row in the inbox, made by the policy if there is none. An error: there is none.
Result<void> Actor::make_place() {
  const auto capacity = static_cast<std::size_t>(spec_->config.inbox.capacity);
  if (turn_.waiting + arriving_ < capacity) return {};
  if (spec_->config.inbox.overflow != InboxOverflow::kDropOldest) {
    return overflow(spec_->config.inbox.capacity);
  }
  for (const auto& [ticket, work] : works_) {
    if (work.source.kind == Source::Kind::kInbox && phase_of(turn_, ticket) == Phase::kWaiting) {
      advance(Cancelled{ticket, overflow(spec_->config.inbox.capacity)});
      return {};
    }
  }
  return overflow(spec_->config.inbox.capacity);
}

bool Actor::deposit(Deposit& deposit) {
  std::unique_lock lock(mutex_);
  if (retired_) return false;
  std::optional<Error> why = deposit.is_internal ? turn_.closed : refusal();
  const Result<void> place = why ? Result<void>() : make_place();
  const bool rejects = !deposit.is_internal && (deposit.is_again || spec_->config.inbox.overflow ==
                                                                        InboxOverflow::kRejectNew);
  if (!place && rejects) why = place.error();
  if (why) {
    lock.unlock();
    deposit.taken(*why);
    return true;
  }
  const Time now = services_.clock.now();
  const std::string& id = deposit.trigger.envelope.id;
  const std::string key = ordinal_key(++last_ordinal_);
  AgentCommit commit{.agent = key_, .time = now};
  commit.items = std::move(deposit.items);
  EnvelopeRow outcome{.accepted = now, .inbox = key};
  if (place) {
    if (deposit.job) deposit.job->inbox = key;
    commit.items.push_back(inbox_item(
        key, {.trigger = deposit.trigger, .job = deposit.job ? deposit.job->id : ""}, now));
    commit.max_storage_bytes = spec_->config.max_storage_bytes;
  } else {
    // Taken, and put where it is not lost.
    outcome.status = EnvelopeRow::Status::kDeadLettered;
    outcome.finished = now;
    outcome.error = place.error();
    outcome.dead_letter = key;
    commit.items.push_back(overflow_item(key, deposit.trigger, place.error(), now));
    services_.metrics.dead_letter("Overflow");
  }
  if (deposit.job) {
    if (!place) {
      finish_job(*deposit.job, place.error(), {}, now);
    }
    commit.items.push_back(job_item(*deposit.job));
  } else {
    commit.items.push_back({.kind = ItemKind::kEnvelope,
                            .key = id,
                            .value = encode(outcome),
                            .number = 0,
                            .condition = {.must_advance = !deposit.is_again}});
  }
  if (deposit.is_ordered) commit.items.push_back(sender_item(deposit.trigger.envelope));
  commit.ordinal = last_ordinal_;
  ++arriving_;
  const std::string kept = place ? key : std::string();
  auto shared = std::make_shared<Deposit>(std::move(deposit));
  effects_.push_back(
      [self = shared_from_this(), shared, kept, commit = std::move(commit)]() mutable {
        self->services_.commits.submit(std::move(commit),
                                       [self, shared, kept](Result<Committed> result) {
                                         self->deposited(shared, kept, std::move(result));
                                       });
      });
  run_effects(lock);
  return true;
}

void Actor::deposited(const std::shared_ptr<Deposit>& deposit, const std::string& key,
                      Result<Committed> result) {
  std::unique_lock lock(mutex_);
  --arriving_;
  if (result) head_ = result->head;
  effects_.push_back([deposit, result] {
    deposit->taken(result ? Result<void>() : Result<void>(result.error()));
  });
  if (result && !key.empty()) {
    Work work;
    work.source = {Source::Kind::kInbox, key};
    work.report.envelope_id = deposit->trigger.envelope.id;
    work.accepted = deposit->trigger.envelope.time;
    QueueItem item{.lane = lane_of(deposit->trigger), .is_durable = true};
    work.job = std::move(deposit->job);
    work.trigger = std::make_shared<const Trigger>(std::move(deposit->trigger));
    work.permit = std::move(deposit->permit);
    item.ticket = add_work(std::move(work));
    // If nothing new is taken any more, the row waits for the next start.
    advance(Arrived{std::move(item)});
  }
  run_effects(lock);
}

bool Actor::fire(const DueRow& row, const std::function<void(bool again)>& done) {
  std::unique_lock lock(mutex_);
  if (retired_) return false;
  if (refusal() || fired_ >= kMaxFired) {
    lock.unlock();
    done(true);
    return true;
  }
  ++fired_;
  services_.metrics.alarms_fired.add(1);
  Work work;
  work.source = {row.kind == ItemKind::kAlarm ? Source::Kind::kAlarm : Source::Kind::kSchedule,
                 row.key, 0, row.at};
  work.accepted = row.at;
  work.fired = done;
  work.must_load = true;
  QueueItem item{.is_durable = true};
  item.ticket = add_work(std::move(work));
  works_.at(item.ticket).trigger = std::make_shared<const Trigger>(unread_trigger(row));
  advance(Arrived{std::move(item)});
  run_effects(lock);
  return true;
}

bool Actor::append(std::vector<ItemWrite> items, std::function<void(Result<Committed>)> done) {
  std::unique_lock lock(mutex_);
  if (retired_) return false;
  AgentCommit commit{.agent = key_, .time = services_.clock.now(), .items = std::move(items)};
  commit.max_storage_bytes = spec_->config.max_storage_bytes;
  give_ordinals(commit.items, last_ordinal_);
  commit.ordinal = last_ordinal_;
  ++side_commits_;
  effects_.push_back(
      [self = shared_from_this(), done = std::move(done), commit = std::move(commit)]() mutable {
        self->services_.commits.submit(std::move(commit), [self, done](Result<Committed> result) {
          {
            const std::lock_guard inner(self->mutex_);
            --self->side_commits_;
            if (result) self->head_ = result->head;
          }
          done(std::move(result));
        });
      });
  run_effects(lock);
  return true;
}

bool Actor::resume(const std::string& key, InboxRow row) {
  std::unique_lock lock(mutex_);
  if (retired_) return false;
  if (turn_.closed) return true;
  const std::string envelope = row.trigger.envelope.id;
  const auto known = by_envelope_.find(envelope);
  if (known != by_envelope_.end()) {
    works_.at(known->second).decided = true;
    return true;
  }
  Work work;
  work.source = {Source::Kind::kInbox, key};
  work.must_load = true;
  work.is_resumed = true;
  work.has_journal = true;
  work.report.envelope_id = envelope;
  work.accepted = row.trigger.envelope.time;
  if (!row.job.empty()) work.job = JobRow{.id = row.job};
  if (!row.replay.empty()) work.replay = ReplayKey{row.replay, row.fingerprint};
  QueueItem item{.lane = lane_of(row.trigger), .is_durable = true, .attempt = row.attempt};
  work.trigger = std::make_shared<const Trigger>(std::move(row.trigger));
  item.ticket = add_work(std::move(work));
  if (!row.replay.empty()) by_replay_[row.replay] = item.ticket;
  advance(Arrived{std::move(item)});
  run_effects(lock);
  return true;
}

void Actor::cancel(const std::string& envelope_id, const Error& why, Answered answered) {
  std::unique_lock lock(mutex_);
  const auto found = by_envelope_.find(envelope_id);
  const Phase phase = found == by_envelope_.end() ? Phase::kNone : phase_of(turn_, found->second);
  if (phase == Phase::kNone || phase == Phase::kCommitting) {
    lock.unlock();
    answered(phase == Phase::kNone
                 ? make_error(Code::kNotFound,
                              "envelope " + shorten(envelope_id, 64) + " does not wait here")
                 : make_error(Code::kConflict, "TooLate",
                              "envelope " + shorten(envelope_id, 64) +
                                  " is being committed: its tick stands"));
    return;
  }
  Work& work = works_.at(found->second);
  if (work.must_load && work.is_resumed) {
    // Its end takes its journal along, which is still on disk only.
    LoadRequest request{
        work.source, work.trigger, {}, work.job ? work.job->id : std::string(), true};
    lock.unlock();
    services_.scheduler.post([self = shared_from_this(), request = std::move(request), envelope_id,
                              why, answered = std::move(answered)] {
      self->cancel_resumed(request, envelope_id, why, answered);
    });
    return;
  }
  work.callers.push_back(std::move(answered));
  advance(Cancelled{found->second, why});
  run_effects(lock);
}

void Actor::cancel_resumed(const LoadRequest& request, const std::string& envelope_id,
                           const Error& why, const Answered& answered) {
  auto loaded = load(request);
  if (!loaded) return answered(loaded.error());
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_envelope_.find(envelope_id);
    if (found != by_envelope_.end() && works_.at(found->second).must_load) {
      Work& work = works_.at(found->second);
      work.steps = std::move(loaded->steps);
      work.compensations = std::move(loaded->compensations);
      if (loaded->job) work.job = std::move(loaded->job);
      work.must_load = false;
    }
  }
  cancel(envelope_id, why, answered);
}

void Actor::abandon(Ticket ticket) {
  std::unique_lock lock(mutex_);
  const auto found = works_.find(ticket);
  if (found == works_.end() || found->second.replay ||
      found->second.source.kind != Source::Kind::kNone) {
    return;
  }
  advance(Cancelled{
      ticket, make_error(Code::kTimeout, "CallerGone", "the caller went away before the answer")});
  run_effects(lock);
}

// What is in its row, but for what it waits for.
InboxRow Actor::inbox_row(const Work& work) const {
  InboxRow row;
  row.trigger = *work.trigger;
  if (work.job) row.job = work.job->id;
  if (work.replay) {
    row.replay = work.replay->key;
    row.fingerprint = work.replay->fingerprint;
  }
  return row;
}

void Actor::forget_replay(const Work& work, Ticket ticket) {
  if (!work.replay) return;
  const auto known = by_replay_.find(work.replay->key);
  if (known != by_replay_.end() && known->second == ticket) by_replay_.erase(known);
}

// The envelope's row, and what became of it so far, join `items`.
void Actor::give_row(Work& work, std::vector<ItemWrite>& items, const std::string& approval) {
  const bool is_new = work.source.kind == Source::Kind::kNone;
  if (!is_new && approval.empty()) return;
  if (work.source.kind == Source::Kind::kAlarm || work.source.kind == Source::Kind::kSchedule) {
    items.push_back(end_of_source(work, true));
  }
  if (work.source.kind != Source::Kind::kInbox) {
    work.source = {Source::Kind::kInbox, ordinal_key(++last_ordinal_)};
  }
  const Time now = services_.clock.now();
  InboxRow row = inbox_row(work);
  row.approval = approval;
  items.push_back(inbox_item(work.source.key, row, now));
  // What waits for people has no time of its own: the approval's expiry has.
  if (!approval.empty()) items.back().due.reset();
  if (work.replay && is_new) {
    // A repeat finds it, also in the next process.
    items.push_back({.kind = ItemKind::kReplay,
                     .key = work.replay->key,
                     .value = encode(ReplayRow{.fingerprint = work.replay->fingerprint,
                                               .envelope_id = work.trigger->envelope.id}),
                     .number = 0,
                     // An answer given before stands: it has not been looked for yet.
                     .condition = {.must_be_absent = true}});
  }
  if (work.job) return;
  EnvelopeRow outcome{.accepted = work.accepted, .inbox = work.source.key};
  if (!approval.empty()) outcome.status = EnvelopeRow::Status::kWaiting;
  items.push_back({.kind = ItemKind::kEnvelope,
                   .key = work.trigger->envelope.id,
                   .value = encode(outcome),
                   .number = 0});
}

void Actor::persist(Ticket ticket, std::function<void(std::optional<Result<std::string>>)> done) {
  std::unique_lock lock(mutex_);
  const auto found = works_.find(ticket);
  const Phase phase = phase_of(turn_, ticket);
  if (found == works_.end() || phase == Phase::kCommitting) {
    lock.unlock();
    done(std::nullopt);
    return;
  }
  AgentCommit commit{.agent = key_, .time = services_.clock.now()};
  const Source before = found->second.source;
  give_row(found->second, commit.items, {});
  const std::string envelope = found->second.trigger->envelope.id;
  by_envelope_[envelope] = ticket;
  commit.ordinal = last_ordinal_;
  commit.max_storage_bytes = spec_->config.max_storage_bytes;
  ++side_commits_;
  effects_.push_back([self = shared_from_this(), ticket, before, envelope, done = std::move(done),
                      commit = std::move(commit)]() mutable {
    self->services_.commits.submit(
        std::move(commit), [self, ticket, before, envelope, done](Result<Committed> result) {
          std::unique_lock inner(self->mutex_);
          --self->side_commits_;
          if (result) {
            self->head_ = result->head;
            self->advance(Persisted{ticket});
          } else if (const auto one = self->works_.find(ticket); one != self->works_.end()) {
            one->second.source = before;
          }
          self->effects_.push_back([envelope, done, result] {
            done(result ? Result<std::string>(envelope) : Result<std::string>(result.error()));
          });
          self->run_effects(inner);
        });
  });
  run_effects(lock);
}

void Actor::journal(Ticket ticket, Run run, std::vector<ItemWrite> items,
                    const std::string& approval, std::function<void(Result<void>)> done) {
  settle(ticket, run,
         [self = shared_from_this(), ticket, run, items = std::move(items), approval,
          done = std::move(done)](Result<void> ready) mutable {
           if (!ready) return done(ready.error());
           std::unique_lock lock(self->mutex_);
           if (!self->turn_.running || self->turn_.running->item.start != run) {
             lock.unlock();
             return done(make_error(Code::kConflict, "TickOver", "the attempt is over"));
           }
           Work& work = self->works_.at(ticket);
           AgentCommit commit{.agent = self->key_, .time = self->services_.clock.now()};
           for (ItemWrite& item : items) {
             if (item.kind == ItemKind::kStep) work.steps.push_back(item.key);
             if (item.kind != ItemKind::kCompensation) continue;
             item.key = compensation_key(work.trigger->envelope.id, ++self->last_ordinal_);
             item.number = 0;
             if (auto undo = decode_effect_request(*item.value)) {
               work.compensations.emplace_back(item.key, std::move(*undo));
             }
           }
           work.has_journal = true;
           commit.items = std::move(items);
           const Source before = work.source;
           self->give_row(work, commit.items, approval);
           self->by_envelope_[work.trigger->envelope.id] = ticket;
           give_ordinals(commit.items, self->last_ordinal_);
           commit.tick = self->turn_.running->item.tick;
           commit.ordinal = self->last_ordinal_;
           commit.max_storage_bytes = self->spec_->config.max_storage_bytes;
           ++self->side_commits_;
           self->effects_.push_back(
               [self, ticket, before, done, commit = std::move(commit)]() mutable {
                 self->services_.commits.submit(
                     std::move(commit), [self, ticket, before, done](Result<Committed> result) {
                       {
                         const std::lock_guard inner(self->mutex_);
                         --self->side_commits_;
                         if (result) self->head_ = result->head;
                         const auto found = self->works_.find(ticket);
                         if (!result && found != self->works_.end()) found->second.source = before;
                       }
                       done(result ? Result<void>() : Result<void>(result.error()));
                     });
               });
           self->run_effects(lock);
         });
}

}  // namespace oa::runtime
