#include "runtime-pod/agent/turn.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/text.h"

namespace oa::runtime {
namespace {

Error caller_timeout(const QueueItem& item) {
  std::string detail = "the request was not done before its caller's deadline";
  if (item.last_error) {
    detail += "; attempt " + std::to_string(item.attempt) + " failed: " + item.last_error->detail;
  }
  return make_error(Code::kTimeout, std::move(detail));
}

Error tick_timeout(const TurnLimits& limits) {
  return make_error(Code::kTimeout, "TickTimeout",
                    "the tick took longer than spec.config.maxTickDuration, " +
                        format_duration(limits.max_tick_duration) + ", and changed nothing");
}

Error heartbeat_missed() {
  return make_error(Code::kTimeout, "HeartbeatMissed",
                    "the handler must send its next heartbeat in time but did not");
}

// After these nothing can be committed by this process: rows stay for the next one.
bool store_is_gone(const Error& error) {
  return error.reason == "StorageClosed" || error.reason == "Stopping" ||
         error.code == Code::kNotFound;
}

// Not the item's fault: it does not count as an attempt.
bool store_is_full(const Error& error) {
  return error.code == Code::kUnavailable || error.reason == "StorageFull" ||
         error.reason == "StorageBusy";
}

class Step {
 public:
  Step(TurnState& state, Monotonic now, const TurnLimits& limits)
      : state_(state), now_(now), limits_(limits) {}

  void on(Arrived event) {
    if (state_.closed) return answer(event.item.ticket, state_.closed);
    if (!event.item.is_durable && state_.waiting >= limits_.capacity) {
      return answer(event.item.ticket, make_error(Code::kRateLimited, "QueueFull",
                                                  "the agent's queue must hold at most " +
                                                      std::to_string(limits_.capacity) +
                                                      " requests and is full: try again later"));
    }
    wake_by(event.item.deadline);
    Lane& lane = state_.lanes[event.item.lane];
    ++state_.waiting;
    give_turn(event.item.lane, lane);
    lane.items.push_back(std::move(event.item));
  }

  void on(Handled event) {
    // An attempt that was given up answers late: nobody waits for it, and nothing of it is used.
    if (!is_running(event.ticket, event.run)) return;
    QueueItem item = take_running();
    if (event.gone) return answer(item.ticket, std::move(event.error));
    if (event.parks) return act(Park{item.ticket});
    if (event.error && event.retry) return retry(std::move(item), *event.error, event.jitter);
    if (event.error) return fail(std::move(item), std::move(*event.error));
    commit(std::move(item));
  }

  void on(Stored event) {
    if (state_.committing.empty() || state_.committing.front().ticket != event.ticket) return;
    QueueItem item = std::move(state_.committing.front());
    state_.committing.pop_front();
    if (state_.doomed > 0) {
      // It named a version that was never committed; a store that takes it has lost its order.
      if (!event.error) std::abort();
      --state_.doomed;
      act(Undo{item.ticket});
      state_.undone.push_back(std::move(item));
    } else if (event.error) {
      state_.doomed = state_.committing.size();
      undo_running();
      commit_failed(std::move(item), std::move(*event.error), event.jitter);
    } else {
      answer(item.ticket, std::move(item.verdict));
    }
    if (state_.doomed == 0) put_back();
  }

  void on(Beat event) {
    if (!is_running(event.ticket, event.run)) return;
    state_.running->next_beat = now_ + event.next;
    wake_by(state_.running->next_beat);
  }

  void on(Cancelled event) {
    if (state_.running && state_.running->item.ticket == event.ticket) {
      give_up();
      return fail(take_running(), std::move(event.why));
    }
    if (auto item = take_waiting(event.ticket)) {
      // What nobody has seen yet needs no record, unless a row has to go.
      if (!item->is_durable) return answer(item->ticket, std::move(event.why));
      // It changes nothing that a tick works on, so it need not wait for one.
      if (state_.doomed == 0) return fail(std::move(*item), std::move(event.why));
      item->verdict = std::move(event.why);
      put_first(std::move(*item));
    }
  }

  void on(Persisted event) {
    if (QueueItem* item = find(event.ticket)) {
      item->is_durable = true;
      item->deadline = Monotonic::max();
      if (state_.running && item == &state_.running->item) {
        state_.running->tick_deadline = state_.running->longest;
      }
    }
  }

  void on(TimePassed) {
    pass_time_of_running();
    expire_waiting();
    while (!state_.delayed.empty() && state_.delayed.begin()->first <= now_) {
      QueueItem item = std::move(state_.delayed.begin()->second);
      state_.delayed.erase(state_.delayed.begin());
      --state_.waiting;
      state_.lanes[item.lane].is_blocked = false;
      put_first(std::move(item));
    }
    look_for_wake();
  }

  void on(Closed event) { state_.closed = std::move(event.why); }

  void on(Discarded event) {
    state_.discarded = event.why;
    for (auto& [name, lane] : std::exchange(state_.lanes, {})) {
      for (const QueueItem& item : lane.items) answer(item.ticket, event.why);
    }
    for (const auto& [time, item] : std::exchange(state_.delayed, {})) {
      answer(item.ticket, event.why);
    }
    for (const QueueItem& item : std::exchange(state_.undone, {})) answer(item.ticket, event.why);
    state_.turns.clear();
    state_.waiting = 0;
    if (state_.running) {
      give_up();
      answer(take_running().ticket, event.why);
    }
  }

  // Starts what may start.
  std::vector<Action> finish() {
    while (!state_.running && state_.doomed == 0 && state_.committing.size() < limits_.pipeline &&
           !behind_barrier()) {
      std::optional<QueueItem> item = take_next();
      if (!item) break;
      start(std::move(*item));
    }
    return std::move(actions_);
  }

 private:
  bool is_running(Ticket ticket, Run run) const {
    return state_.running && state_.running->item.ticket == ticket &&
           state_.running->item.start == run;
  }
  QueueItem take_running() {
    QueueItem item = std::move(state_.running->item);
    state_.running.reset();
    return item;
  }
  bool behind_barrier() const {
    return !state_.committing.empty() && state_.committing.back().is_barrier;
  }

  template <typename One>
  void act(One one) {
    actions_.emplace_back(std::in_place_type<One>, std::move(one));
  }
  void answer(Ticket ticket, std::optional<Error> error) { act(Answer{ticket, std::move(error)}); }
  void give_up() { act(GiveUp{state_.running->item.ticket, state_.running->item.start}); }

  void give_turn(const std::string& name, Lane& lane) {
    if (lane.is_in_turn || lane.is_blocked) return;
    lane.is_in_turn = true;
    state_.turns.push_back(name);
  }

  // The first item of the next lane; the lane goes to the end.
  std::optional<QueueItem> take_next() {
    while (!state_.turns.empty()) {
      const std::string name = std::move(state_.turns.front());
      state_.turns.pop_front();
      const auto found = state_.lanes.find(name);
      if (found == state_.lanes.end()) continue;
      Lane& lane = found->second;
      lane.is_in_turn = false;
      if (lane.is_blocked) continue;
      if (lane.items.empty()) {
        state_.lanes.erase(found);
        continue;
      }
      QueueItem item = std::move(lane.items.front());
      lane.items.pop_front();
      --state_.waiting;
      if (lane.items.empty()) {
        state_.lanes.erase(found);
      } else {
        give_turn(name, lane);
      }
      return item;
    }
    return std::nullopt;
  }

  void start(QueueItem item) {
    if (item.tick == 0) item.tick = ++state_.last_tick;
    if (!item.first_start) item.first_start = now_;
    item.start = ++state_.last_run;
    if (item.kind == QueueItem::Kind::kWrite || item.verdict) return commit(std::move(item));
    const Monotonic deadline = std::min(item.deadline, now_ + limits_.max_tick_duration);
    wake_by(deadline);
    act(RunHandler{item, item.start, deadline});
    state_.running = Running{std::move(item), deadline, now_ + limits_.max_tick_duration};
  }

  void commit(QueueItem item) {
    act(Commit{item});
    state_.committing.push_back(std::move(item));
  }

  // For good: the verdict is committed, in its turn.
  void fail(QueueItem item, Error error) {
    if (item.tick == 0) item.tick = ++state_.last_tick;
    if (item.start == 0) item.start = ++state_.last_run;
    act(AttemptFailed{item, error, false});
    item.verdict = std::move(error);
    commit(std::move(item));
  }

  void retry(QueueItem item, const Error& error, double jitter) {
    const Duration pause = backoff(item.attempt, jitter, limits_);
    const bool again = item.is_durable ? item.attempt < limits_.max_attempts &&
                                             now_ + pause < *item.first_start + limits_.max_age
                                       : now_ + pause < item.deadline;
    item.last_error = error;
    if (!again) return fail(std::move(item), item.is_durable ? error : caller_timeout(item));
    act(AttemptFailed{item, error, true});
    ++item.attempt;
    delay(std::move(item), pause);
  }

  void delay(QueueItem item, Duration pause) {
    if (state_.discarded) return answer(item.ticket, state_.discarded);
    const Monotonic until = now_ + pause;
    wake_by(until);
    ++state_.waiting;
    if (!item.lane.empty()) state_.lanes[item.lane].is_blocked = true;
    state_.delayed.emplace(until, std::move(item));
  }

  void commit_failed(QueueItem item, Error error, double jitter) {
    if (store_is_gone(error) || item.kind == QueueItem::Kind::kWrite) {
      return answer(item.ticket, item.verdict ? std::move(item.verdict) : std::move(error));
    }
    if (store_is_full(error)) {
      if (!item.is_durable) return answer(item.ticket, item.verdict ? item.verdict : error);
      act(AttemptFailed{item, error, true});
      act(Undo{item.ticket});
      return delay(std::move(item), backoff(item.attempt, jitter, limits_));
    }
    if (item.verdict) return answer(item.ticket, std::move(item.verdict));
    act(AttemptFailed{item, error, false});
    act(Undo{item.ticket});
    item.verdict = std::move(error);
    state_.undone.push_back(std::move(item));
  }

  // What the handler is at was started on changes that are not to be.
  void undo_running() {
    if (!state_.running) return;
    give_up();
    QueueItem item = take_running();
    act(Undo{item.ticket});
    state_.undone.push_back(std::move(item));
  }

  // To the heads of their lanes, what was started last first.
  void put_back() {
    std::sort(state_.undone.begin(), state_.undone.end(),
              [](const QueueItem& a, const QueueItem& b) { return a.start > b.start; });
    for (QueueItem& item : std::exchange(state_.undone, {})) put_first(std::move(item));
  }

  void put_first(QueueItem item) {
    if (state_.discarded) return answer(item.ticket, state_.discarded);
    Lane& lane = state_.lanes[item.lane];
    ++state_.waiting;
    give_turn(item.lane, lane);
    lane.items.push_front(std::move(item));
  }

  std::optional<QueueItem> take_waiting(Ticket ticket) {
    for (auto& [name, lane] : state_.lanes) {
      for (auto item = lane.items.begin(); item != lane.items.end(); ++item) {
        if (item->ticket != ticket) continue;
        QueueItem found = std::move(*item);
        lane.items.erase(item);
        --state_.waiting;
        return found;
      }
    }
    for (auto entry = state_.delayed.begin(); entry != state_.delayed.end(); ++entry) {
      if (entry->second.ticket != ticket) continue;
      QueueItem found = std::move(entry->second);
      state_.delayed.erase(entry);
      --state_.waiting;
      unblock(found.lane);
      return found;
    }
    return std::nullopt;
  }

  void unblock(const std::string& name) {
    const auto found = state_.lanes.find(name);
    if (found == state_.lanes.end()) return;
    found->second.is_blocked = false;
    if (!found->second.items.empty()) give_turn(name, found->second);
  }

  QueueItem* find(Ticket ticket) {
    const auto is_it = [ticket](const QueueItem& item) { return item.ticket == ticket; };
    if (state_.running && is_it(state_.running->item)) return &state_.running->item;
    for (auto& [name, lane] : state_.lanes) {
      const auto item = std::find_if(lane.items.begin(), lane.items.end(), is_it);
      if (item != lane.items.end()) return &*item;
    }
    for (auto& [time, item] : state_.delayed) {
      if (is_it(item)) return &item;
    }
    return nullptr;
  }

  // A commit under way is waited for: its answer tells the outcome, a time-out would not.
  void pass_time_of_running() {
    if (!state_.running) return;
    const Running& running = *state_.running;
    if (now_ >= running.item.deadline) {
      give_up();
      QueueItem item = take_running();
      Error error = caller_timeout(item);
      fail(std::move(item), std::move(error));
    } else if (now_ >= running.tick_deadline || now_ >= running.next_beat) {
      const Error why = now_ >= running.tick_deadline ? tick_timeout(limits_) : heartbeat_missed();
      give_up();
      retry(take_running(), why, 0);
    }
  }

  void expire_waiting() {
    const auto expired = [this](const QueueItem& item) {
      if (now_ < item.deadline) return false;
      answer(item.ticket, caller_timeout(item));
      --state_.waiting;
      return true;
    };
    for (auto& [name, lane] : state_.lanes) std::erase_if(lane.items, expired);
    for (auto entry = state_.delayed.begin(); entry != state_.delayed.end();) {
      if (!expired(entry->second)) {
        ++entry;
        continue;
      }
      const std::string lane = entry->second.lane;
      entry = state_.delayed.erase(entry);
      unblock(lane);
    }
    std::erase_if(state_.lanes, [](const auto& entry) {
      return entry.second.items.empty() && !entry.second.is_blocked;
    });
  }

  void wake_by(Monotonic time) { state_.wake = std::min(state_.wake, time); }

  void look_for_wake() {
    state_.wake = Monotonic::max();
    if (state_.running) {
      wake_by(state_.running->tick_deadline);
      wake_by(state_.running->next_beat);
    }
    if (!state_.delayed.empty()) wake_by(state_.delayed.begin()->first);
    for (const auto& [time, item] : state_.delayed) wake_by(item.deadline);
    for (const auto& [name, lane] : state_.lanes) {
      for (const QueueItem& item : lane.items) wake_by(item.deadline);
    }
  }

  TurnState& state_;
  const Monotonic now_;
  const TurnLimits& limits_;
  std::vector<Action> actions_;
};

}  // namespace

std::vector<Action> step(TurnState& state, Event event, Monotonic now, const TurnLimits& limits) {
  Step next(state, now, limits);
  std::visit([&next](auto&& one) { next.on(std::forward<decltype(one)>(one)); }, std::move(event));
  return next.finish();
}

bool is_idle(const TurnState& state) {
  return state.waiting == 0 && !state.running && state.committing.empty() && state.undone.empty();
}

Phase phase_of(const TurnState& state, Ticket ticket) {
  const auto is_it = [ticket](const QueueItem& item) { return item.ticket == ticket; };
  if (state.running && is_it(state.running->item)) return Phase::kHandling;
  if (std::any_of(state.committing.begin(), state.committing.end(), is_it)) {
    return Phase::kCommitting;
  }
  if (std::any_of(state.undone.begin(), state.undone.end(), is_it)) return Phase::kWaiting;
  for (const auto& [name, lane] : state.lanes) {
    if (std::any_of(lane.items.begin(), lane.items.end(), is_it)) return Phase::kWaiting;
  }
  for (const auto& [time, item] : state.delayed) {
    if (is_it(item)) return Phase::kWaiting;
  }
  return Phase::kNone;
}

Duration backoff(int attempt, double jitter, const TurnLimits& limits) {
  const int doublings = std::clamp(attempt - 1, 0, 30);
  const Duration pause = std::min(limits.max_backoff, limits.first_backoff * (1 << doublings));
  return pause + std::chrono::duration_cast<Duration>(pause * (jitter / 2));
}

}  // namespace oa::runtime
