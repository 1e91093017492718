// What an actor reads from the disk before an item runs.
#include <algorithm>
#include <utility>

#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/attempt.h"
#include "runtime-pod/agent/schedules.h"
#include "runtime-pod/agent/triggers.h"

namespace oa::runtime {
namespace {

ItemKind kind_of_source(bool is_alarm) { return is_alarm ? ItemKind::kAlarm : ItemKind::kSchedule; }

Error crash_loop(int attempts) {
  return make_error(
      Code::kRuntimeError, "CrashLoop",
      "the runtime ended in the middle of each of " + std::to_string(attempts) + " attempts");
}

Error row_is_gone() { return make_error(Code::kNotFound, "Gone", "the row is gone"); }

}  // namespace

void Actor::load_then_run(Ticket ticket, Run run) {
  LoadRequest request;
  {
    const std::lock_guard lock(mutex_);
    if (!is_running(ticket, run)) return;
    const Work& work = works_.at(ticket);
    request = {work.source, work.trigger, work.replay ? work.replay->key : std::string(),
               work.job ? work.job->id : std::string(), work.is_resumed};
  }
  auto loaded = load(request);
  std::unique_lock lock(mutex_);
  if (!is_running(ticket, run)) return;
  if (auto event = take_loaded(ticket, run, std::move(loaded))) {
    advance(std::move(*event));
  } else if (works_.at(ticket).is_resumed) {
    count_start(ticket, run);
  } else {
    effects_.push_back(
        effect_of(RunHandler{turn_.running->item, run, turn_.running->tick_deadline}));
  }
  run_effects(lock);
}

// Whoever started it before may have died of it, so the attempt is counted on disk before it
// starts: an envelope that ends the process again and again is given up in the end.
void Actor::count_start(Ticket ticket, Run run) {
  Work& work = works_.at(ticket);
  const QueueItem& item = turn_.running->item;
  if (item.attempt > limits_.max_attempts) {
    advance(Handled{.ticket = ticket, .run = run, .error = crash_loop(item.attempt - 1)});
    return;
  }
  InboxRow row = inbox_row(work);
  row.attempt = item.attempt + 1;
  std::vector<ItemWrite> items = {inbox_item(work.source.key, row, services_.clock.now())};
  effects_.push_back([self = shared_from_this(), ticket, run, items = std::move(items)]() mutable {
    self->append(std::move(items), [self, ticket, run](const Result<Committed>& counted) {
      std::unique_lock lock(self->mutex_);
      if (!self->is_running(ticket, run)) return;
      if (counted) {
        self->effects_.push_back(self->effect_of(
            RunHandler{self->turn_.running->item, run, self->turn_.running->tick_deadline}));
      } else {
        self->advance(
            Handled{.ticket = ticket, .run = run, .error = counted.error(), .retry = true});
      }
      self->run_effects(lock);
    });
  });
}

// What ends the run already; nothing if the handler is to have it.
std::optional<Handled> Actor::take_loaded(Ticket ticket, Run run, Result<Loaded> loaded) {
  Handled event{.ticket = ticket, .run = run, .jitter = services_.ids.unit()};
  if (!loaded) {
    event.error = loaded.error();
    event.retry = true;
    return event;
  }
  Work& work = works_.at(ticket);
  work.must_load = false;
  event.gone = true;
  if (loaded->is_gone) {
    event.error = row_is_gone();
    work.is_over = true;
    return event;
  }
  if (loaded->skips) {
    ItemWrite next = schedule_item(work.source.key, *loaded->schedule);
    next.condition = {.versions = {{loaded->number}}, .or_skip = true};
    effects_.push_back([self = shared_from_this(), next = std::move(next),
                        fired = std::exchange(work.fired, nullptr)]() mutable {
      self->append({std::move(next)},
                   [fired](const Result<Committed>& moved) { fired(!moved.ok()); });
    });
    --fired_;
    event.error = row_is_gone();
    return event;
  }
  // Its own row may be there already, and waits for the answer.
  if (loaded->replay && loaded->replay->envelope_id != work.trigger->envelope.id) {
    return take_replay(std::move(event), *loaded);
  }
  work.trigger = std::move(loaded->trigger);
  work.source.number = loaded->number;
  if (loaded->schedule) work.schedule = std::move(*loaded->schedule);
  if (loaded->job) work.job = std::move(loaded->job);
  work.steps = std::move(loaded->steps);
  work.compensations = std::move(loaded->compensations);
  work.report.envelope_id = work.trigger->envelope.id;
  by_envelope_[work.trigger->envelope.id] = ticket;
  return std::nullopt;
}

// The same was asked before.
Handled Actor::take_replay(Handled event, Loaded& loaded) {
  Work& work = works_.at(event.ticket);
  ReplayRow& row = *loaded.replay;
  if (row.fingerprint != work.replay->fingerprint) {
    event.error = make_error(Code::kConflict, "IdempotencyKeyReused",
                             "the Idempotency-Key must be used for one request only but another "
                             "one with it was taken before");
    return event;
  }
  const auto first = by_envelope_.find(row.envelope_id);
  if (row.envelope_id.empty()) {
    event.error = std::move(row.error);
    work.answers_replay = true;
    if (row.report) work.report = std::move(*row.report);
  } else if (first != by_envelope_.end()) {
    auto& callers = works_.at(first->second).callers;
    for (Answered& caller : std::exchange(work.callers, {})) callers.push_back(std::move(caller));
    event.error = row_is_gone();
  } else if (loaded.replay_waits) {
    work.answers_replay = true;
    work.report.envelope_id = row.envelope_id;
    work.report.is_waiting = true;
  } else {
    // It has come to its end since: the answer is on disk by now.
    work.must_load = true;
    event.gone = false;
    event.retry = true;
    event.error = make_error(Code::kUnavailable, "the first run is just ending");
  }
  return event;
}

Result<Actor::Loaded> Actor::load(const LoadRequest& request) const {
  Loaded loaded;
  loaded.trigger = request.trigger;
  if (request.source.kind == Source::Kind::kAlarm ||
      request.source.kind == Source::Kind::kSchedule) {
    if (auto done = load_source(request.source, loaded); !done) return done.error();
    if (loaded.is_gone || loaded.skips) return loaded;
  }
  if (!request.replay.empty()) {
    auto item = services_.reader.get_item(key_, ItemKind::kReplay, request.replay);
    if (!item) return item.error();
    if (*item) {
      auto row = decode_replay((*item)->value);
      if (!row) return row.error();
      loaded.replay = std::move(*row);
    }
  }
  if (loaded.replay && !loaded.replay->envelope_id.empty()) {
    auto item = services_.reader.get_item(key_, ItemKind::kEnvelope, loaded.replay->envelope_id);
    if (!item) return item.error();
    if (*item) {
      auto row = decode_envelope((*item)->value);
      if (!row) return row.error();
      loaded.replay_waits = row->status == EnvelopeRow::Status::kWaiting;
    }
  }
  if (!request.is_resumed) return loaded;
  if (!request.job.empty()) {
    auto item = services_.reader.get_item(key_, ItemKind::kJob, request.job);
    if (!item) return item.error();
    if (*item) {
      auto row = decode_job((*item)->value);
      if (!row) return row.error();
      loaded.job = std::move(*row);
    }
  }
  if (auto done = load_journal(loaded.trigger->envelope.id, loaded); !done) return done.error();
  return loaded;
}

Result<void> Actor::load_source(const Source& source, Loaded& loaded) const {
  const bool is_alarm = source.kind == Source::Kind::kAlarm;
  auto item = services_.reader.get_item(key_, kind_of_source(is_alarm), source.key);
  if (!item) return item.error();
  const Time now = services_.clock.now();
  // Set to a later time since it was fired: it will be fired again.
  loaded.is_gone = !*item || !(*item)->due || (*item)->due->at > source.at;
  if (loaded.is_gone) return {};
  loaded.number = (*item)->number;
  if (is_alarm) {
    auto row = decode_alarm((*item)->value);
    if (!row) return row.error();
    row->name = source.key;
    loaded.trigger = std::make_shared<const Trigger>(alarm_trigger(*row, loaded.number, now));
    return {};
  }
  auto row = decode_schedule((*item)->value);
  if (!row) return row.error();
  const auto whole = spec();
  const auto schedule =
      std::find_if(whole->schedules.begin(), whole->schedules.end(),
                   [&source](const Schedule& one) { return one.name == source.key; });
  loaded.is_gone = schedule == whole->schedules.end();
  if (loaded.is_gone) return {};
  auto fired = after_fire(*schedule, *row, now);
  if (!fired) return fired.error();
  loaded.skips = !fired->run;
  loaded.schedule = std::move(fired->next);
  row->next = fired->at;
  loaded.trigger =
      std::make_shared<const Trigger>(schedule_trigger(*schedule, *row, fired->missed));
  return {};
}

Result<void> Actor::load_journal(const std::string& envelope, Loaded& loaded) const {
  auto steps = services_.reader.list_items(key_, ItemKind::kStep, step_prefix(envelope), "",
                                           kMaxListLimit, Values::kLeaveOut);
  if (!steps) return steps.error();
  for (Item& item : steps->items) loaded.steps.push_back(std::move(item.key));
  auto undo =
      services_.reader.list_items(key_, ItemKind::kCompensation, compensation_prefix(envelope), "",
                                  kMaxListLimit, Values::kInclude);
  if (!undo) return undo.error();
  for (Item& item : undo->items) {
    auto effect = decode_effect_request(item.value);
    if (!effect) return effect.error();
    loaded.compensations.emplace_back(std::move(item.key), std::move(*effect));
  }
  return {};
}

}  // namespace oa::runtime
