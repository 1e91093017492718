// Waiting for a time of the wall clock, as a parameter: tests move a clock of their own
// (tests/support/manual_wall_timer.h).
//
// Thread-safety: one thread waits, any thread wakes it.
#pragma once

#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/result.h"

namespace oa::runtime {

class WallTimer {
 public:
  virtual ~WallTimer() = default;
  // Until the wall clock shows `at` (absent: for ever), the wall clock is set while a time is
  // awaited, or `wake` is called or has been called since the last wait. May return early.
  virtual void wait(std::optional<Time> at) = 0;
  virtual void wake() = 0;
};

// The system's wall clock. Costs nothing while it waits, and sees every jump of the clock.
class SystemWallTimer : public WallTimer {
 public:
  static Result<std::unique_ptr<SystemWallTimer>> open();
  ~SystemWallTimer() override;
  SystemWallTimer(const SystemWallTimer&) = delete;
  SystemWallTimer& operator=(const SystemWallTimer&) = delete;

  void wait(std::optional<Time> at) override;
  void wake() override;

 private:
  SystemWallTimer(int timer, int event) : timer_(timer), event_(event) {}
  bool arm(std::optional<Time> at);

  const int timer_;
  const int event_;
  bool armed_ = false;
};

}  // namespace oa::runtime
