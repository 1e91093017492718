// Which rows are due next, and which of them somebody is dealing with: the timekeeper's memory.
//
// The database holds every row with a due time, up to millions. The window holds the earliest of
// them: all rows up to its horizon, which are loaded page by page and kept up to date by what each
// commit tells. What lies behind the horizon is left to a later load.
//
//                 add, loaded           take                  done
//   (database) ------------------> known ------> in flight ---------> (gone)
//                 behind the horizon:               | again
//                 left to a later load              v
//   known <---------- loaded <---------- set aside, the agent rests
//
// - No row is lost: a row of the database is known, in flight, set aside, behind the horizon, or
//   its `add` is still to come.
// - A row in flight is not taken again before it is done. If it was written again meanwhile, it is
//   known at its new time from then on.
// - Nobody tells of rows that are removed: they are taken in vain.
// - An agent that cannot take more rests, so that its rows hold up no other agent. Only the time of
//   the earliest that was set aside is remembered: when the rest is over, the horizon moves back to
//   it.
//
// The times are wall-clock times and may jump both ways.
//
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

struct WindowLimits {
  std::size_t rows = 10'000;       // known at a time
  std::size_t in_flight = 10'000;  // with the agents that rest
  std::size_t page = 2'000;        // read at a time
};

class Window {
 public:
  explicit Window(WindowLimits limits) : limits_(limits) {}

  // A commit has written this row. To be told in order of the commits.
  void add(const DueRow& row);
  // Commits have written rows due at `from` or later that were not told.
  void missed(Time from);

  // How many rows are to be loaded behind `horizon()`; nothing: none.
  std::optional<std::size_t> wanted() const;
  const std::optional<DueRow>& horizon() const { return horizon_; }
  // What the database has behind `horizon()`, in order. Fewer than `limit`: there is no more.
  // Commits whose `add` came before must have been visible to whoever read it.
  void loaded(const std::vector<DueRow>& page, std::size_t limit);

  // The rows that are due at `now`, in order of time: from now on in flight.
  std::vector<DueRow> take(Time now, std::size_t at_most);
  // Ends what `take` began. `again`: nothing was done about it, because the agent cannot take it.
  void done(const DueRow& row, bool again, Time now);

  // When `take` may give something, if nothing happens before.
  std::optional<Time> wake() const;
  // The earliest time of a row that is known or set aside.
  std::optional<Time> next() const;
  // Whether a `done` may let something be taken at once.
  bool done_matters() const { return full() || waiting_ > 0; }

 private:
  // What a row is found by, whatever its time: the database has one of each.
  struct RowId {
    AgentKey agent;
    ItemKind kind;
    std::string key;
    auto operator<=>(const RowId&) const = default;
  };
  struct Flight {
    Time at;
    std::optional<Time> waiting;  // it was written again, for this time
  };
  struct Rest {
    Time until;                 // the end of the rest; when it is over: when it is forgotten
    bool over = false;          // the agent is tried again
    int refusals = 0;           // in a row
    std::optional<Time> aside;  // the earliest row that was set aside
  };

  static RowId id_of(const DueRow& row) { return {row.agent, row.kind, row.key}; }
  bool full() const { return in_flight_.size() + resting_ >= limits_.in_flight; }
  void know(RowId id, Time at);
  void forget(const RowId& id);
  void wait_for_done(Flight& flight, Time at);
  void move_horizon_back(Time to);
  bool set_aside(const DueRow& row);
  void end_rests(Time now);
  void refused(AgentKey agent, Time now);
  void accepted(AgentKey agent);

  const WindowLimits limits_;
  // All rows of the database up to here are known, in flight or set aside. Nothing: none are.
  std::optional<DueRow> horizon_;
  bool complete_ = false;  // there is nothing behind the horizon
  std::set<DueRow> known_;
  std::map<RowId, Time> times_;        // of known_: each row is there once
  std::map<RowId, Flight> in_flight_;  // of none of them is a row in known_
  std::size_t waiting_ = 0;            // how many of in_flight_ are waited for
  std::map<AgentKey, Rest> rests_;
  std::size_t resting_ = 0;  // how many of rests_ are not over
  Time next_rest_{};         // not later than any `until` of rests_
};

}  // namespace oa::runtime
