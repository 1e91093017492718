#include "runtime-pod/agent/actor.h"

#include <utility>

#include "core/agent_json.h"
#include "core/text.h"
#include "runtime-pod/agent/attempt.h"

namespace oa::runtime {
namespace {

// What an awake agent costs beside its state: actor, row, maps.
constexpr std::int64_t kActorBytes = 4096;
// Parsed JSON takes a few times its text.
constexpr std::int64_t kParsedFactor = 4;

constexpr std::size_t kTraceIdOffset = 3;
constexpr std::size_t kTraceIdSize = 32;

std::string trace_id_of(const Trigger* trigger) {
  if (trigger == nullptr) return {};
  const std::string& traceparent = trigger->envelope.traceparent;
  if (traceparent.size() < kTraceIdOffset + kTraceIdSize) return {};
  return traceparent.substr(kTraceIdOffset, kTraceIdSize);
}

TriggerType type_of(const std::shared_ptr<const Trigger>& trigger) {
  return trigger ? trigger->type : TriggerType::kMessage;
}

Error expired(const Envelope& envelope) {
  return make_error(Code::kTimeout, "Expired",
                    "envelope " + shorten(envelope.id, 64) + " must be processed before " +
                        format_time_millis(*envelope.expires_at) + " and was not");
}

}  // namespace

Actor::Actor(ActorServices& services, AgentRow row, AgentHead head,
             std::shared_ptr<const Json> state, std::size_t state_bytes, const AgentSpec& spec)
    : services_(services),
      id_(row.id),
      key_(row.key),
      row_(std::move(row)),
      head_(head),
      state_(std::move(state)),
      state_bytes_(state_bytes),
      next_version_(head.version + 1),
      last_ordinal_(head.ordinal),
      next_use_(head.use),
      next_state_(state_) {
  turn_.last_tick = head.tick;
  apply_spec(spec);
  account_memory();
}

Actor::~Actor() { services_.awake_bytes -= accounted_; }

void Actor::apply_spec(const AgentSpec& spec) {
  spec_ = std::make_shared<const AgentSpec>(spec);
  revision_ = row_.uid + ' ' + dump(runtime_spec(spec).value("handler", Json()));
  limits_.max_tick_duration = spec.config.max_tick_duration;
  limits_.capacity = static_cast<std::size_t>(spec.config.inbox.capacity);
  limits_.max_attempts = spec.config.retry.max_attempts;
  limits_.max_age = spec.config.retry.max_age;
  limits_.first_backoff = spec.config.retry.first_backoff;
  limits_.max_backoff = spec.config.retry.max_backoff;
}

void Actor::account_memory() {
  const std::int64_t now =
      kActorBytes + (state_ ? static_cast<std::int64_t>(state_bytes_) * kParsedFactor : 0);
  services_.awake_bytes += now - accounted_;
  accounted_ = now;
}

bool Actor::retire() {
  const std::lock_guard lock(mutex_);
  if (!is_idle(turn_) || arriving_ > 0 || side_commits_ > 0 || !effects_.empty() ||
      is_running_effects_) {
    return false;
  }
  retired_ = true;
  return true;
}

void Actor::update(const AgentRow& row, const AgentSpec& spec) {
  const std::lock_guard lock(mutex_);
  row_ = row;
  apply_spec(spec);
}

void Actor::discard(const Error& why) {
  handle(Closed{why});
  handle(Discarded{why});
}

ActorStatus Actor::status() const {
  const std::lock_guard lock(mutex_);
  return {head_, turn_.waiting, turn_.running || !turn_.committing.empty()};
}

AgentRow Actor::row() const {
  const std::lock_guard lock(mutex_);
  return row_;
}

std::string Actor::uid() const {
  const std::lock_guard lock(mutex_);
  return row_.uid;
}

std::shared_ptr<const AgentSpec> Actor::spec() const {
  const std::lock_guard lock(mutex_);
  return spec_;
}

std::shared_ptr<const Json> Actor::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Phase Actor::phase(const std::string& envelope_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_envelope_.find(envelope_id);
  return found == by_envelope_.end() ? Phase::kNone : phase_of(turn_, found->second);
}

void Actor::handle(Event event) {
  std::unique_lock lock(mutex_);
  advance(std::move(event));
  run_effects(lock);
}

// In order, and by one thread at a time; others leave theirs to it.
void Actor::run_effects(std::unique_lock<std::mutex>& lock) {
  if (is_running_effects_) return;
  is_running_effects_ = true;
  const auto self = shared_from_this();  // an effect may let go of the last other owner
  while (!effects_.empty()) {
    {
      Effect effect = std::move(effects_.front());
      effects_.pop_front();
      lock.unlock();
      effect();
    }
    lock.lock();
  }
  is_running_effects_ = false;
  lock.unlock();
}

void Actor::advance(Event event) {
  std::vector<Action> actions = step(turn_, std::move(event), services_.clock.monotonic(), limits_);
  for (Action& action : actions) {
    effects_.push_back(
        std::visit([this](auto&& one) { return effect_of(std::move(one)); }, std::move(action)));
  }
  flush_settled();
  if (turn_.wake < armed_) effects_.push_back(arm_timer());
}

Actor::Effect Actor::arm_timer() {
  armed_ = turn_.wake;
  // A timer must not keep an actor alive that the host has let go.
  return [this, when = armed_, weak = weak_from_this()] {
    services_.scheduler.at(when, [when, weak] {
      if (const auto self = weak.lock()) self->time_passed(when);
    });
  };
}

void Actor::time_passed(Monotonic armed) {
  std::unique_lock lock(mutex_);
  if (armed_ == armed) armed_ = Monotonic::max();
  advance(TimePassed{});
  run_effects(lock);
}

bool Actor::is_running(Ticket ticket, Run run) const {
  return turn_.running && turn_.running->item.ticket == ticket && turn_.running->item.start == run;
}

TickInput Actor::make_input(const RunHandler& action, const Work& work) const {
  const Time now = services_.clock.now();
  const auto left = std::chrono::duration_cast<Duration>(action.deadline - work.started);
  return {.agent = id_,
          .uid = row_.uid,
          .spec = spec_,
          .epoch = services_.epoch,
          .tick = action.item.tick,
          .attempt = action.item.attempt,
          .now = now,
          .deadline_time = now + left,
          .deadline = action.deadline,
          .trigger = work.trigger,
          .state = next_state_,
          .context = work.attempt};
}

Actor::Effect Actor::effect_of(RunHandler action) {
  Work& work = works_.at(action.item.ticket);
  work.started = services_.clock.monotonic();
  work.writes = {};
  work.new_state = nullptr;
  const Ticket ticket = action.item.ticket;
  const Run run = action.run;
  if (work.must_load) {
    return [self = shared_from_this(), ticket, run] {
      self->services_.scheduler.post([self, ticket, run] { self->load_then_run(ticket, run); });
    };
  }
  const Time now = services_.clock.now();
  const Envelope& envelope = work.trigger->envelope;
  Result<void> good = check_budget(spec_->config.budget, next_use_, now);
  if (good && envelope.expires_at && now >= *envelope.expires_at) good = expired(envelope);
  if (!good) {
    return [this, ticket, run, error = good.error()] {
      handle(Handled{.ticket = ticket, .run = run, .error = error});
    };
  }
  work.attempt =
      std::make_shared<Attempt>(services_, weak_from_this(), key_, id_,
                                Attempt::Facts{ticket, run, action.item.tick, action.item.attempt,
                                               envelope.id, envelope.traceparent, revision_,
                                               work.has_journal, spec_->config.max_iterations});
  Handler& handler = services_.handler(*spec_);
  const auto start = [self = shared_from_this(), ticket, run, &handler](TickInput given) {
    handler.run(std::move(given), [self, ticket, run](TickOutcome outcome) {
      self->handler_done(ticket, run, std::move(outcome));
    });
  };
  return [self = shared_from_this(), start, quick = handler.is_quick(), log = head_.log,
          input = make_input(action, work)]() mutable {
    if (self->services_.outputs.emit) {
      self->services_.outputs.emit(self->key_, log, "tick_start",
                                   {{"tickId", tick_id(input.tick)},
                                    {"attempt", input.attempt},
                                    {"trigger", trigger_name(input.trigger->type)},
                                    {"envelopeId", input.trigger->envelope.id}});
    }
    if (quick) return start(std::move(input));
    self->services_.scheduler.post(
        [start, input = std::move(input)]() mutable { start(std::move(input)); });
  };
}

Actor::Effect Actor::effect_of(GiveUp action) {
  Work& work = works_.at(action.ticket);
  return [attempt = std::move(work.attempt)] {
    if (attempt) attempt->end();
  };
}

void Actor::handler_done(Ticket ticket, Run run, TickOutcome outcome) {
  std::shared_ptr<Attempt> attempt;
  std::shared_ptr<const Trigger> trigger;
  {
    const std::lock_guard lock(mutex_);
    if (!is_running(ticket, run)) return;
    Work& work = works_.at(ticket);
    attempt = work.attempt;
    trigger = work.trigger;
  }
  attempt->end();
  Attempt::Gathered gathered = attempt->take();
  Handled event{.ticket = ticket, .run = run, .jitter = services_.ids.unit()};
  Result<WriteSet> writes = WriteSet{};
  Reply reply;
  event.parks = gathered.parks && !gathered.error;
  if (gathered.error) {
    event.error = std::move(gathered.error);
  } else if (outcome.status == TickOutcome::Status::kDone) {
    // What the outcome says comes after what was added before it.
    append_writes(gathered.writes, std::move(outcome.writes));
    const Envelope& envelope = trigger->envelope;
    writes = make_write_set(outcome.state, std::move(gathered.writes),
                            {id_, envelope.traceparent, services_.clock.now()}, envelope.id);
    if (!writes) event.error = writes.error();
    reply = encode_reply(std::move(outcome.reply));
  } else {
    event.error = std::move(outcome.error);
    event.retry = outcome.status == TickOutcome::Status::kRetry;
  }
  std::unique_lock lock(mutex_);
  if (is_running(ticket, run)) {
    Work& work = works_.at(ticket);
    work.usage = gathered.usage;
    work.events = std::move(gathered.events);
    if (!event.error) {
      work.writes = std::move(*writes);
      work.new_state = std::move(outcome.state);
      work.report.reply = std::move(reply);
    }
  }
  advance(std::move(event));
  run_effects(lock);
}

Actor::Effect Actor::effect_of(Commit action) {
  Work& work = works_.at(action.item.ticket);
  const Monotonic now = services_.clock.monotonic();
  if (work.kind == QueueItem::Kind::kWrite || work.started == Monotonic{}) work.started = now;
  work.report.tick = action.item.tick;
  work.report.duration = std::chrono::duration_cast<Duration>(now - work.started);
  work.report.usage = work.usage;
  work.report.hibernates = work.writes.hibernate;
  // Of a replayed answer: as its row has it, which is written with the commit.
  work.report.storage_bytes = head_.bytes;
  AgentCommit commit = make_commit(work, action.item);
  if (commit.state) work.new_state_bytes = commit.state->size();
  // What those who watch are told: the rest goes to the store, and is not kept.
  auto told = std::make_shared<const AgentCommit>(AgentCommit{.agent = commit.agent,
                                                              .version = commit.version,
                                                              .tick = commit.tick,
                                                              .time = commit.time,
                                                              .record = commit.record,
                                                              .events = commit.events});
  return [self = shared_from_this(), ticket = action.item.ticket, told,
          commit = std::move(commit)]() mutable {
    self->services_.commits.submit(std::move(commit),
                                   [self, ticket, told](Result<Committed> result) {
                                     self->commit_done(ticket, told, std::move(result));
                                   });
  };
}

void Actor::commit_done(Ticket ticket, const std::shared_ptr<const AgentCommit>& commit,
                        Result<Committed> result) {
  Stored event{.ticket = ticket, .jitter = services_.ids.unit()};
  std::unique_lock lock(mutex_);
  Work& work = works_.at(ticket);
  if (result) {
    // A side commit that was made after it may have answered before.
    head_ = result->head;
    if (work.new_state) {
      state_ = std::move(work.new_state);
      state_bytes_ = work.new_state_bytes;
    }
    work.report.version = head_.version;
    if (!work.replay) work.report.storage_bytes = head_.bytes;
    work.report.replaced = result->replaced;
    work.is_over = true;
    account_memory();
    effects_.push_back([this, commit, head = head_, sockets = std::move(work.writes.sockets),
                        outgoing = std::move(work.outgoing),
                        hibernate = work.writes.hibernate]() mutable {
      for (const auto& [key, row] : outgoing) services_.outputs.outbox(key_, id_, key, row);
      if (!sockets.empty()) services_.outputs.sockets(key_, std::move(sockets));
      if (services_.outputs.committed) services_.outputs.committed(key_, head, *commit);
      if (hibernate && services_.outputs.hibernate) services_.outputs.hibernate(id_);
    });
    work.outgoing.clear();
  } else {
    event.error = result.error();
    // What follows it in the store is refused as well, and runs again on what is committed.
    next_version_ = head_.version + 1;
    next_use_ = head_.use;
    next_state_ = state_;
  }
  advance(std::move(event));
  run_effects(lock);
}

Actor::Effect Actor::effect_of(Undo action) {
  Work& work = works_.at(action.ticket);
  work.writes = {};
  work.new_state = nullptr;
  work.outgoing.clear();
  return [] {};
}

Actor::Effect Actor::effect_of(AttemptFailed action) {
  const Work& work = works_.at(action.item.ticket);
  const auto took = services_.clock.monotonic() - work.started;
  const TickEnd end = action.error.code == Code::kTimeout ? TickEnd::kTimedOut
                      : action.again                      ? TickEnd::kRetried
                                                          : TickEnd::kFailed;
  services_.metrics.tick(type_of(work.trigger), end, std::chrono::duration_cast<Duration>(took));
  // What the caller did wrong is the caller's to know.
  const bool is_told =
      action.error.code == Code::kInvalidRequest || action.error.code == Code::kConflict;
  return [self = shared_from_this(), action = std::move(action), is_told, log = head_.log,
          trace = trace_id_of(work.trigger.get())] {
    if (action.again && self->services_.outputs.emit) {
      const Error& error = action.error;
      self->services_.outputs.emit(
          self->key_, log, "reset",
          {{"tickId", tick_id(action.item.tick)},
           {"attempt", action.item.attempt},
           {"reason", error.reason.empty() ? std::string(code_name(error.code)) : error.reason}});
    }
    if (is_told) return;
    self->services_.log.warn("a tick's attempt failed", {{"namespace", self->id_.namespace_name},
                                                         {"agent", self->id_.name},
                                                         {"tickId", tick_id(action.item.tick)},
                                                         {"attempt", action.item.attempt},
                                                         {"again", action.again},
                                                         {"traceId", trace},
                                                         {"error", action.error}});
  };
}

Actor::Effect Actor::effect_of(Answer action) {
  const auto found = works_.find(action.ticket);
  auto work = std::make_shared<Work>(std::move(found->second));
  works_.erase(found);
  if (work->trigger) {
    const auto known = by_envelope_.find(work->trigger->envelope.id);
    if (known != by_envelope_.end() && known->second == action.ticket) by_envelope_.erase(known);
  }
  forget_replay(*work, action.ticket);
  services_.metrics.inbox_depth.add(-1);
  if (!action.error && !work->answers_replay) {
    const auto took = services_.clock.monotonic() - work->started;
    services_.metrics.tick(type_of(work->trigger), TickEnd::kCommitted,
                           std::chrono::duration_cast<Duration>(took));
    if (work->source.kind == Source::Kind::kAlarm || work->source.kind == Source::Kind::kSchedule) {
      services_.metrics.alarms_ran.add(1);
    }
  }
  if (!action.error && !work->next_inbox.empty()) {
    // It goes on at the tail, with what is now in its next row.
    InboxRow next;
    next.trigger = *work->trigger;
    next.job = work->job->id;
    next.ticks = work->job->ticks + 1;
    return [self = shared_from_this(), key = work->next_inbox, next = std::move(next)]() mutable {
      self->resume(key, std::move(next));
    };
  }
  if (work->fired) --fired_;
  return [work = std::move(work), error = std::move(action.error)] {
    if (work->fired) work->fired(!work->is_over);
    for (const Answered& answered : work->callers) {
      if (error) {
        answered(*error);
      } else {
        answered(work->report);
      }
    }
  };
}

Actor::Effect Actor::effect_of(Park action) {
  auto found = works_.find(action.ticket);
  auto work = std::make_shared<Work>(std::move(found->second));
  works_.erase(found);
  services_.metrics.inbox_depth.add(-1);
  by_envelope_.erase(work->trigger->envelope.id);
  forget_replay(*work, action.ticket);
  if (work->fired) --fired_;
  return [self = shared_from_this(), work = std::move(work)] {
    if (work->fired) work->fired(false);
    TickReport report{.envelope_id = work->trigger->envelope.id};
    report.is_waiting = true;
    for (const Answered& answered : work->callers) answered(report);
    if (work->decided) self->resume(work->source.key, self->inbox_row(*work));
  };
}

void Actor::flush_settled() {
  if (settling_.empty() || !turn_.committing.empty()) return;
  for (Settling& one : std::exchange(settling_, {})) {
    const bool is_its = is_running(one.ticket, one.run);
    effects_.push_back([done = std::move(one.done), is_its] {
      if (is_its) return done({});
      done(make_error(Code::kConflict, "TickOver",
                      "the attempt is over: nothing more can be done in it"));
    });
  }
}

void Actor::settle(Ticket ticket, Run run, std::function<void(Result<void>)> done) {
  std::unique_lock lock(mutex_);
  settling_.push_back({ticket, run, std::move(done)});
  flush_settled();
  run_effects(lock);
}

}  // namespace oa::runtime
