// What one agent does next, as a function: `step(state, event)` changes the state and says what the
// actor has to do. No clock, no thread, no I/O.
//
// Items wait in lanes, one for each sender that wants order, and one for all others; lanes take
// turns. One item is at the handler at a time; when the handler is done its changes go to the
// store, and the next item may start on them before they are committed. Commits are made, and
// answered, in the order in which the handler finished (I1, I2). If one fails, everything that was
// started on top of it is undone and runs again.
//
//   arrive -> waiting -> [handling] -> committing -> answered | parked
//                ^  ^          |            |
//                |  +-- retry -+            |
//                +------- undone -----------+
//
// An item whose attempt failed waits for its back-off; meanwhile its lane stands still, and others
// go ahead. An item that has failed for good gets a verdict, and the verdict is committed.
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/error.h"

namespace oa::runtime {

// One accepted item, in this process.
using Ticket = std::uint64_t;
// One start of an item; they rise.
using Run = std::uint64_t;

struct TurnLimits {
  std::size_t capacity = 1000;  // of items that wait and have no row
  std::size_t pipeline = 64;    // of items that wait for their commit
  Duration max_tick_duration = std::chrono::seconds(30);
  // Of items that have a row: after them, or so long after the first attempt, the item has failed.
  int max_attempts = 6;
  Duration max_age = std::chrono::minutes(10);
  Duration first_backoff = std::chrono::milliseconds(100);
  Duration max_backoff = std::chrono::seconds(30);
};

struct QueueItem {
  enum class Kind {
    kTick,   // the handler decides what is written
    kWrite,  // what is written is known: a micro-tick
  };
  Ticket ticket = 0;
  Kind kind = Kind::kTick;
  std::string lane{};       // empty: order does not matter
  bool is_durable = false;  // it has a row, and nobody's patience ends it
  bool is_barrier = false;  // of kWrite: may be refused, so nothing starts on top of it
  Monotonic deadline = Monotonic::max();  // of one without a row: the caller waits no longer
  int attempt = 1;                        // of the next or current run
  Run start = 0;                          // the last one: in which order items were started
  std::optional<Monotonic> first_start{};
  std::int64_t tick = 0;  // its tick number, from the first attempt on; 0: none yet
  std::optional<Error> last_error{};
  std::optional<Error> verdict{};  // it has failed for good; this is what is committed
};

struct Lane {
  std::deque<QueueItem> items;  // in order of arrival
  bool is_blocked = false;      // the item before the first is delayed
  bool is_in_turn = false;      // the lane is in `turns`
};

struct Running {
  QueueItem item;
  Monotonic tick_deadline;                 // the attempt is given up
  Monotonic longest;                       // the tick's deadline if its caller did not matter
  Monotonic next_beat = Monotonic::max();  // as well
};

struct TurnState {
  std::map<std::string, Lane> lanes;            // none is empty, but for blocked ones
  std::deque<std::string> turns;                // lanes with an item that may start
  std::multimap<Monotonic, QueueItem> delayed;  // by the end of their back-off
  std::optional<Running> running;               // I1: at most one
  std::deque<QueueItem> committing;             // in commit order
  // Of `committing`, the first so many follow a failed commit, and will be refused by the store.
  std::size_t doomed = 0;
  std::vector<QueueItem> undone;  // go back to the heads of their lanes once none is doomed
  std::size_t waiting = 0;        // items in `lanes` and `delayed`
  std::int64_t last_tick = 0;     // the highest tick number given out
  Run last_run = 0;
  std::optional<Error> closed;     // why nothing new is taken
  std::optional<Error> discarded;  // why nothing is started any more
  // `TimePassed` is due: never later than the earliest deadline or end of a back-off. It may be
  // earlier, since it is only looked for again when it is over.
  Monotonic wake = Monotonic::max();
};

// Events. Each comes with the time at which it happens.
struct Arrived {
  QueueItem item;
};
// The handler is done with an attempt. `error` absent: there is something to commit.
struct Handled {
  Ticket ticket = 0;
  Run run = 0;
  std::optional<Error> error{};
  bool retry = false;  // of an error: run it again
  bool parks = false;  // it waits for somebody, and its row says so
  bool gone = false;   // its row is gone: there is nothing to do any more
  double jitter = 0;   // in [0, 1)
};
// The store is done with a commit. `error` absent: it is on disk; else nothing of it is.
struct Stored {
  Ticket ticket = 0;
  std::optional<Error> error{};
  double jitter = 0;
};
// The handler is alive, and will say so again within `next`.
struct Beat {
  Ticket ticket = 0;
  Run run = 0;
  Duration next{};
};
// Whoever wanted it does not any more. No effect on an item that is committing.
struct Cancelled {
  Ticket ticket = 0;
  Error why;
};
// A caller waits no longer, and has been told that the item goes on: it has a row now.
struct Persisted {
  Ticket ticket = 0;
};
// A deadline or back-off may be over.
struct TimePassed {};
// Nothing new is taken; what was accepted goes on.
struct Closed {
  Error why;
};
// What waits, and what the handler is at, is answered with `why`; rows stay for the next start. A
// commit under way decides itself.
struct Discarded {
  Error why;
};
using Event = std::variant<Arrived, Handled, Stored, Beat, Cancelled, Persisted, TimePassed, Closed,
                           Discarded>;

// Actions, in the order in which they are to be done.
struct RunHandler {
  QueueItem item;
  Run run = 0;
  Monotonic deadline;
};
// Nothing that this run still does will be used.
struct GiveUp {
  Ticket ticket = 0;
  Run run = 0;
};
struct Commit {
  QueueItem item;
};
// What this item wanted to commit will not be: it runs again.
struct Undo {
  Ticket ticket = 0;
};
// An attempt came to nothing: for logs and metrics. `again`: another one follows.
struct AttemptFailed {
  QueueItem item;
  Error error;
  bool again = false;
};
// The item is over. `error` absent: answer with what was committed (I2: follows `Stored` only).
struct Answer {
  Ticket ticket = 0;
  std::optional<Error> error{};
};
// The item waits for somebody, on disk, and not here any more.
struct Park {
  Ticket ticket = 0;
};
using Action = std::variant<RunHandler, GiveUp, Commit, Undo, AttemptFailed, Answer, Park>;

std::vector<Action> step(TurnState& state, Event event, Monotonic now, const TurnLimits& limits);

// Nothing waits and nothing runs.
bool is_idle(const TurnState& state);

// Where an item is; kNone: it is over, or not here.
enum class Phase { kNone, kWaiting, kHandling, kCommitting };
Phase phase_of(const TurnState& state, Ticket ticket);

// The pause before attempt `attempt` + 1: doubles from the first, with up to half of it on top.
Duration backoff(int attempt, double jitter, const TurnLimits& limits);

}  // namespace oa::runtime
