// Where work runs that must not hold up an I/O thread, now or at a time.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <functional>
#include <memory>

#include "core/clock.h"

namespace oa::runtime {

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual void post(std::function<void()> work) = 0;
  // `work` is posted once `when` has come; there is no taking back.
  virtual void at(Monotonic when, std::function<void()> work) = 0;
};

// A few workers and a timer thread, all asleep until there is something to do. The destructor drops
// what has not begun, and waits for what has.
std::unique_ptr<Scheduler> make_thread_scheduler(int workers, const Clock& clock);

}  // namespace oa::runtime
