#include "runtime-pod/agent/turn.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/text.h"

namespace oa::runtime {
namespace {

Error caller_timeout(const Item& item) {
  std::string detail = "the request was not done before its caller's deadline";
  if (item.last_error) {
    detail +=
        "; attempt " + std::to_string(item.attempt - 1) + " failed: " + item.last_error->detail;
  }
  return make_error(Code::kTimeout, std::move(detail));
}

Error tick_timeout(const TurnLimits& limits) {
  return make_error(Code::kTimeout, "TickTimeout",
                    "the tick took longer than spec.config.maxTickDuration, " +
                        format_duration(limits.max_tick_duration) + ", and changed nothing");
}

class Step {
 public:
  Step(TurnState& state, Monotonic now, const TurnLimits& limits)
      : state_(state), now_(now), limits_(limits) {}

  void on(Arrived event) {
    if (state_.closed) return answer(event.item.ticket, state_.closed);
    if (state_.waiting.size() >= limits_.capacity) {
      return answer(event.item.ticket, make_error(Code::kRateLimited, "QueueFull",
                                                  "the agent's queue must hold at most " +
                                                      std::to_string(limits_.capacity) +
                                                      " requests and is full: try again later"));
    }
    wake_by(event.item.deadline);
    state_.waiting.push_back(std::move(event.item));
  }

  void on(Handled event) {
    // An attempt that was given up answers late: nobody waits for it, and nothing of it is used.
    if (!is_running(event.ticket, Running::Phase::kHandler) ||
        state_.running->item.attempt != event.attempt) {
      return;
    }
    if (event.error && event.retry) return retry(std::move(*event.error), event.jitter);
    if (event.error) return end(std::move(event.error));
    state_.running->phase = Running::Phase::kCommit;
    actions_.push_back(Commit{state_.running->item});
  }

  void on(Stored event) {
    if (!is_running(event.ticket, Running::Phase::kCommit)) return;
    end(std::move(event.error));
  }

  void on(TimePassed) {
    // A commit under way is waited for: its answer tells the outcome, a time-out would not.
    if (state_.running && state_.running->phase == Running::Phase::kHandler) {
      if (now_ >= state_.running->item.deadline) {
        end(caller_timeout(state_.running->item));
      } else if (now_ >= state_.running->tick_deadline) {
        retry(tick_timeout(limits_), 0);
      }
    }
    std::erase_if(state_.waiting, [this](const Item& item) {
      if (now_ < item.deadline) return false;
      answer(item.ticket, caller_timeout(item));
      return true;
    });
    look_for_wake();
  }

  void on(Closed event) { state_.closed = std::move(event.why); }

  void on(Discarded event) {
    for (const Item& item : std::exchange(state_.waiting, {})) answer(item.ticket, event.why);
    if (state_.running && state_.running->phase == Running::Phase::kHandler) end(event.why);
  }

  // Starts the first item whose back-off is over, if nothing runs.
  std::vector<Action> finish() {
    if (state_.running) return std::move(actions_);
    const auto next = std::find_if(state_.waiting.begin(), state_.waiting.end(),
                                   [this](const Item& item) { return item.not_before <= now_; });
    if (next == state_.waiting.end()) return std::move(actions_);
    Item item = std::move(*next);
    state_.waiting.erase(next);
    if (item.tick == 0) item.tick = ++state_.last_tick;
    if (item.kind == Item::Kind::kWrite) {
      actions_.push_back(Commit{item});
      state_.running = Running{std::move(item), Running::Phase::kCommit, {}};
    } else {
      const Monotonic deadline = std::min(item.deadline, now_ + limits_.max_tick_duration);
      wake_by(deadline);
      actions_.push_back(RunHandler{item, deadline});
      state_.running = Running{std::move(item), Running::Phase::kHandler, deadline};
    }
    return std::move(actions_);
  }

 private:
  bool is_running(Ticket ticket, Running::Phase phase) const {
    return state_.running && state_.running->item.ticket == ticket &&
           state_.running->phase == phase;
  }

  void answer(Ticket ticket, std::optional<Error> error) {
    actions_.push_back(Answer{ticket, std::move(error)});
  }

  void end(std::optional<Error> error) {
    if (error) actions_.push_back(AttemptFailed{state_.running->item, *error, false});
    answer(state_.running->item.ticket, std::move(error));
    state_.running.reset();
  }

  void retry(Error error, double jitter) {
    Item item = std::move(state_.running->item);
    state_.running.reset();
    item.not_before = now_ + backoff(item.attempt, jitter, limits_);
    // What cannot start again in time is over now.
    const bool again = item.not_before < item.deadline;
    actions_.push_back(AttemptFailed{item, error, again});
    item.last_error = std::move(error);
    ++item.attempt;
    if (!again) return answer(item.ticket, caller_timeout(item));
    wake_by(item.not_before);
    // Back to its place in the order of arrival.
    const auto place = std::find_if(state_.waiting.begin(), state_.waiting.end(),
                                    [&](const Item& other) { return other.ticket > item.ticket; });
    state_.waiting.insert(place, std::move(item));
  }

  void wake_by(Monotonic time) { state_.wake = std::min(state_.wake, time); }

  void look_for_wake() {
    state_.wake = Monotonic::max();
    if (state_.running && state_.running->phase == Running::Phase::kHandler) {
      wake_by(state_.running->tick_deadline);
    }
    for (const Item& item : state_.waiting) {
      wake_by(item.deadline);
      if (item.not_before > now_) wake_by(item.not_before);
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

bool is_idle(const TurnState& state) { return state.waiting.empty() && !state.running; }

Duration backoff(int attempt, double jitter, const TurnLimits& limits) {
  const int doublings = std::clamp(attempt - 1, 0, 30);
  const Duration pause = std::min(limits.max_backoff, limits.first_backoff * (1 << doublings));
  return pause + std::chrono::duration_cast<Duration>(pause * (jitter / 2));
}

}  // namespace oa::runtime
