#include "runtime-pod/agent/actor.h"

#include <utility>

#include "core/text.h"

namespace oa::runtime {
namespace {

// What an awake agent costs beside its state: actor, row, maps.
constexpr std::int64_t kActorBytes = 4096;
// Parsed JSON takes a few times its text.
constexpr std::int64_t kParsedFactor = 4;

constexpr std::size_t kTraceIdOffset = 3;
constexpr std::size_t kTraceIdSize = 32;

std::string trace_id_of(const Envelope& envelope) {
  if (envelope.traceparent.size() < kTraceIdOffset + kTraceIdSize) return {};
  return envelope.traceparent.substr(kTraceIdOffset, kTraceIdSize);
}

Error suspended(const AgentId& id) {
  return make_error(
      Code::kConflict, "Suspended",
      "agent " + to_string(id) + " is suspended: its spec.replicas must be 1 for it to run");
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
      state_bytes_(state_bytes) {
  turn_.last_tick = head.tick;
  limits_.capacity = services.queue_capacity;
  apply_spec(spec);
  account_memory();
}

Actor::~Actor() { services_.awake_bytes -= accounted_; }

void Actor::apply_spec(const AgentSpec& spec) {
  spec_ = spec;
  limits_.max_tick_duration = spec.config.max_tick_duration;
}

void Actor::account_memory() {
  const std::int64_t now =
      kActorBytes + (state_ ? static_cast<std::int64_t>(state_bytes_) * kParsedFactor : 0);
  services_.awake_bytes += now - accounted_;
  accounted_ = now;
}

bool Actor::submit(Submission& submission) {
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    if (retired_) return false;
    const Ticket ticket = ++last_ticket_;
    Item item{.ticket = ticket, .kind = submission.kind, .deadline = submission.deadline};
    Work& work = works_[ticket];
    work.kind = submission.kind;
    work.report.envelope_id = submission.trigger.envelope.id;
    work.trigger = std::make_shared<const Trigger>(std::move(submission.trigger));
    work.permit.emplace(std::move(submission.permit));
    work.answered = std::move(submission.answered);
    work.writes.kv = std::move(submission.kv);
    services_.metrics.inbox_depth.add(1);
    if (spec_.replicas == 0) {
      effects.push_back(effect_of(Answer{ticket, suspended(id_)}));
    } else {
      effects = advance(Arrived{std::move(item)});
    }
  }
  for (Effect& effect : effects) effect();
  return true;
}

bool Actor::retire() {
  const std::lock_guard lock(mutex_);
  if (!is_idle(turn_)) return false;
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
  return {head_, turn_.waiting.size(), turn_.running.has_value()};
}

AgentRow Actor::row() const {
  const std::lock_guard lock(mutex_);
  return row_;
}

std::string Actor::uid() const {
  const std::lock_guard lock(mutex_);
  return row_.uid;
}

Duration Actor::max_tick_duration() const {
  const std::lock_guard lock(mutex_);
  return limits_.max_tick_duration;
}

AgentSpec Actor::spec() const {
  const std::lock_guard lock(mutex_);
  return spec_;
}

std::shared_ptr<const Json> Actor::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void Actor::handle(Event event) {
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    effects = advance(std::move(event));
  }
  for (Effect& effect : effects) effect();
}

std::vector<Actor::Effect> Actor::advance(Event event) {
  std::vector<Action> actions = step(turn_, std::move(event), services_.clock.monotonic(), limits_);
  std::vector<Effect> effects;
  effects.reserve(actions.size() + 1);
  for (Action& action : actions) {
    effects.push_back(
        std::visit([this](auto&& one) { return effect_of(std::move(one)); }, std::move(action)));
  }
  if (turn_.wake < armed_) effects.push_back(arm_timer());
  return effects;
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
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    if (armed_ == armed) armed_ = Monotonic::max();
    effects = advance(TimePassed{});
  }
  for (Effect& effect : effects) effect();
}

Actor::Effect Actor::effect_of(RunHandler action) {
  Work& work = works_.at(action.item.ticket);
  work.attempt = action.item.attempt;
  work.started = services_.clock.monotonic();
  TickInput input{.agent = id_,
                  .uid = row_.uid,
                  .epoch = services_.epoch,
                  .tick = action.item.tick,
                  .attempt = action.item.attempt,
                  .now = services_.clock.now(),
                  .deadline = action.deadline,
                  .trigger = work.trigger,
                  .state = state_};
  return [self = shared_from_this(), ticket = action.item.ticket,
          input = std::move(input)]() mutable {
    self->services_.scheduler.post([self, ticket, input = std::move(input)]() mutable {
      const int attempt = input.attempt;
      self->services_.handler.run(std::move(input), [self, ticket, attempt](TickOutcome outcome) {
        self->handler_done(ticket, attempt, std::move(outcome));
      });
    });
  };
}

void Actor::handler_done(Ticket ticket, int attempt, TickOutcome outcome) {
  Handled event{.ticket = ticket, .attempt = attempt, .jitter = services_.ids.unit()};
  Result<WriteSet> writes = WriteSet{};
  Reply reply;
  if (outcome.status == TickOutcome::Status::kDone) {
    writes = make_write_set(outcome);
    if (!writes) event.error = writes.error();
    reply = encode_reply(std::move(outcome.reply));
  } else {
    event.error = std::move(outcome.error);
    event.retry = outcome.status == TickOutcome::Status::kRetry;
  }
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    // Of an attempt that was given up nothing is kept; the turn ignores its event as well.
    const auto work = works_.find(ticket);
    if (work == works_.end() || work->second.attempt != attempt) return;
    if (!event.error) {
      work->second.writes = std::move(*writes);
      work->second.new_state = std::move(outcome.state);
      work->second.report.reply = std::move(reply);
    }
    effects = advance(std::move(event));
  }
  for (Effect& effect : effects) effect();
}

Actor::Effect Actor::effect_of(Commit action) {
  Work& work = works_.at(action.item.ticket);
  const Monotonic now = services_.clock.monotonic();
  if (work.kind == Item::Kind::kWrite) work.started = now;
  work.report.tick = action.item.tick;
  work.report.duration = std::chrono::duration_cast<Duration>(now - work.started);
  const Envelope& envelope = work.trigger->envelope;
  TickCommit commit{
      .agent = key_,
      .version = head_.version + 1,
      .tick = action.item.tick,
      .time = services_.clock.now(),
      .state = std::move(work.writes.state),
      .kv = std::move(work.writes.kv),
      .record = record_text({.tick = action.item.tick,
                             .attempt = action.item.attempt,
                             .trigger = work.trigger->type,
                             .envelope_id = envelope.id,
                             .source = envelope.source,
                             .trace_id = trace_id_of(envelope),
                             .duration = work.report.duration}),
      .max_storage_bytes = spec_.config.max_storage_bytes,
  };
  if (commit.state) work.new_state_bytes = commit.state->size();
  return [self = shared_from_this(), ticket = action.item.ticket,
          commit = std::move(commit)]() mutable {
    self->services_.commits.submit(std::move(commit), [self, ticket](Result<Committed> result) {
      self->commit_done(ticket, std::move(result));
    });
  };
}

void Actor::commit_done(Ticket ticket, Result<Committed> result) {
  Stored event{.ticket = ticket};
  std::vector<Effect> effects;
  {
    const std::lock_guard lock(mutex_);
    Work& work = works_.at(ticket);
    if (result) {
      head_ = result->head;
      if (work.new_state) {
        state_ = std::move(work.new_state);
        state_bytes_ = work.new_state_bytes;
      }
      work.report.version = head_.version;
      work.report.storage_bytes = head_.bytes;
      work.report.replaced = result->replaced;
      account_memory();
    } else {
      event.error = result.error();
    }
    effects = advance(std::move(event));
  }
  for (Effect& effect : effects) effect();
}

Actor::Effect Actor::effect_of(AttemptFailed action) {
  const Work& work = works_.at(action.item.ticket);
  const auto took = services_.clock.monotonic() - work.started;
  const TickEnd end = action.error.code == Code::kTimeout ? TickEnd::kTimedOut
                      : action.again                      ? TickEnd::kRetried
                                                          : TickEnd::kFailed;
  services_.metrics.tick(work.trigger->type, end, std::chrono::duration_cast<Duration>(took));
  // What the caller did wrong is the caller's to know.
  if (action.error.code == Code::kInvalidRequest || action.error.code == Code::kConflict) {
    return [] {};
  }
  return [self = shared_from_this(), action = std::move(action),
          trace = trace_id_of(work.trigger->envelope)] {
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
  services_.metrics.inbox_depth.add(-1);
  if (!action.error) {
    const auto took = services_.clock.monotonic() - work->started;
    services_.metrics.tick(work->trigger->type, TickEnd::kCommitted,
                           std::chrono::duration_cast<Duration>(took));
  }
  return [work = std::move(work), error = std::move(action.error)] {
    if (error) {
      work->answered(*error);
    } else {
      work->answered(std::move(work->report));
    }
  };
}

}  // namespace oa::runtime
