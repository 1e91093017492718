// Time as a parameter. Nothing below a binary's `main` reads a clock by itself: pure code takes
// `now` as an argument, classes take a `Clock&`. Tests own a ManualClock
// (tests/support/manual_clock.h).
//
// Thread-safety: implementations can be called from any thread.
#pragma once

#include <chrono>

namespace oa {

// Wall-clock time in UTC with microseconds: for records, alarms and everything that leaves the
// process.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Time that only moves forward: for deadlines and measured spans.
using Monotonic = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

using Duration = std::chrono::microseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual Monotonic monotonic() const = 0;
};

}  // namespace oa
