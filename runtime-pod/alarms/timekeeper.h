// Wakes whatever has a due time: alarms, schedules, retries, expiries, everything that the
// database's index of due rows holds. One thread sleeps until the earliest of them; nothing is
// counted at start, and memory holds a window over the index.
//
// What fires is in order of time, as far as it is known at that moment. A row may fire in vain: it
// was removed, or moved to a later time. Whoever is told therefore looks the row up, and deals with
// it only if its time is not later than that of the row that fired. The clock is no measure for
// this, it may have been set back since.
//
// Thread-safety: all but `start` and `stop` can be called from any thread; so can `done`, also
// after the timekeeper is gone.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/alarms/wall_timer.h"
#include "runtime-pod/alarms/window.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

class Timekeeper {
 public:
  // To be called once, when the row has been dealt with: its commit moved or removed it, or it was
  // found gone. Until then the row is not fired again. `again`: its agent cannot take it now; it is
  // fired again after a while, and what else is due of that agent waits with it. To let go of all
  // copies without a call means `again`.
  using Done = std::function<void(bool again)>;
  // On the timekeeper's thread; must not block.
  using Fire = std::function<void(const DueRow& row, Done done)>;
  // Rows behind `after`, in their order; on the timekeeper's thread. Must see every commit whose
  // `added` was called before.
  using Load = std::function<Result<std::vector<DueRow>>(const std::optional<DueRow>& after,
                                                         std::size_t limit)>;
  // Before each fire.
  using Fired = std::function<void(const DueRow& row, Duration lateness)>;

  // `clock` and `timer` must outlive the timekeeper; `timer` is its own. `fired` may be empty.
  Timekeeper(WindowLimits limits, const Clock& clock, WallTimer& timer, Load load, Fire fire,
             Fired fired, obs::Logger log);
  ~Timekeeper();

  void start();
  // Joins; nothing fires afterwards. Not to be called from `fire`.
  void stop();

  // After a commit that wrote due rows, in order of the commits. Cheap: the thread is woken only
  // if a row is due before what it waits for.
  void added(std::span<const DueRow> rows);
  // The earliest due time that is known and not in flight; it may be of a row that was moved since.
  std::optional<Time> next() const;

 private:
  struct Inbox;
  class Ticket;

  void run();
  bool drain();
  bool fire_due();
  bool load_page();
  void sleep();
  bool may_load(Time now) const;

  const Clock& clock_;
  WallTimer& timer_;
  const Load load_;
  const Fire fire_;
  const Fired fired_;
  const obs::Logger log_;
  const std::shared_ptr<Inbox> inbox_;  // what other threads hand in

  // Of the timekeeper's thread.
  Window window_;
  int failed_loads_ = 0;  // in a row
  Time load_again_{};     // not before, after a failed one
  std::thread thread_;
};

}  // namespace oa::runtime
