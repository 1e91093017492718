// What one agent does next, as a function: `step(state, event)` changes the state and says what the
// actor has to do. No clock, no thread, no I/O.
//
// Items wait in order of arrival. One runs at a time (I1): a tick goes through the handler and then
// the store, a write from outside goes to the store at once. An item whose attempt failed waits for
// its back-off while others go ahead, until its caller's deadline.
//
//   arrive -> waiting -> [handling] -> committing -> answered
//                 ^            |
//                 +-- retry ---+
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/error.h"

namespace oa::runtime {

// One accepted item, in this process.
using Ticket = std::uint64_t;

struct TurnLimits {
  std::size_t capacity = 1000;  // of items that wait
  Duration max_tick_duration = std::chrono::seconds(30);
  Duration first_backoff = std::chrono::milliseconds(100);
  Duration max_backoff = std::chrono::seconds(30);
};

struct Item {
  enum class Kind {
    kTick,   // the handler decides what is written
    kWrite,  // what is written is known: a micro-tick
  };
  Ticket ticket = 0;
  Kind kind = Kind::kTick;
  Monotonic deadline;      // the caller waits no longer
  int attempt = 1;         // of the next or current run
  Monotonic not_before{};  // back-off
  std::int64_t tick = 0;   // its tick number, from the first attempt on; 0: none yet
  std::optional<Error> last_error{};
};

struct Running {
  enum class Phase { kHandler, kCommit };
  Item item;
  Phase phase = Phase::kHandler;
  Monotonic tick_deadline;  // of kHandler: the attempt is given up
};

struct TurnState {
  std::deque<Item> waiting;
  std::optional<Running> running;  // I1: at most one
  std::int64_t last_tick = 0;      // the highest tick number given out
  std::optional<Error> closed;     // why nothing new is taken
  // `TimePassed` is due: never later than the earliest deadline or end of a back-off. It may be
  // earlier, since it is only looked for again when it is over.
  Monotonic wake = Monotonic::max();
};

// Events. Each comes with the time at which it happens.
struct Arrived {
  Item item;
};
// The handler is done with an attempt. `error` absent: there is something to commit.
struct Handled {
  Ticket ticket = 0;
  int attempt = 1;
  std::optional<Error> error{};
  bool retry = false;  // of an error: run it again
  double jitter = 0;   // in [0, 1)
};
// The store is done with a commit. `error` absent: it is on disk; else nothing of it is.
struct Stored {
  Ticket ticket = 0;
  std::optional<Error> error{};
};
// A deadline or back-off may be over.
struct TimePassed {};
// Nothing new is taken; what was accepted goes on.
struct Closed {
  Error why;
};
// What waits, and what the handler is at, is answered with `why`; a commit under way decides
// itself.
struct Discarded {
  Error why;
};
using Event = std::variant<Arrived, Handled, Stored, TimePassed, Closed, Discarded>;

// Actions, in the order in which they are to be done.
struct RunHandler {
  Item item;
  Monotonic deadline;
};
struct Commit {
  Item item;
};
// An attempt came to nothing: for logs and metrics. `again`: another one follows.
struct AttemptFailed {
  Item item;
  Error error;
  bool again = false;
};
// The item is over. `error` absent: answer with what was committed (I2: follows `Stored` only).
struct Answer {
  Ticket ticket = 0;
  std::optional<Error> error{};
};
using Action = std::variant<RunHandler, Commit, AttemptFailed, Answer>;

std::vector<Action> step(TurnState& state, Event event, Monotonic now, const TurnLimits& limits);

// Nothing waits and nothing runs.
bool is_idle(const TurnState& state);

// The pause before attempt `attempt` + 1: doubles from the first, with up to half of it on top.
Duration backoff(int attempt, double jitter, const TurnLimits& limits);

}  // namespace oa::runtime
