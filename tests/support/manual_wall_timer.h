// A WallTimer over a manual clock: the test moves the clock through it, and can wait until the
// thread under test has nothing left to do.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "runtime-pod/alarms/wall_timer.h"
#include "tests/support/manual_clock.h"

namespace oa::test {

class ManualWallTimer : public runtime::WallTimer {
 public:
  explicit ManualWallTimer(ManualClock& clock) : clock_(clock) {}

  void wait(std::optional<Time> at) override {
    std::unique_lock lock(mutex_);
    at_ = at;
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !asleep(); });
    waiting_ = woken_ = false;
    ++wakes_;
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }

  void advance(Duration by) {
    const std::lock_guard lock(mutex_);
    clock_.advance(by);
    changed_.notify_all();
  }
  // Sets the wall clock, which wakes who awaits a time.
  void jump(Duration by) {
    const std::lock_guard lock(mutex_);
    clock_.jump(by);
    if (at_) woken_ = true;
    changed_.notify_all();
  }

  // False if the thread is still at work after a long time.
  bool await_asleep() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return asleep(); });
  }
  // What the thread waits for.
  std::optional<Time> awaited() const {
    const std::lock_guard lock(mutex_);
    return at_;
  }
  int wakes() const {
    const std::lock_guard lock(mutex_);
    return wakes_;
  }

 private:
  bool asleep() const { return waiting_ && !woken_ && !(at_ && clock_.now() >= *at_); }

  ManualClock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Time> at_;
  bool waiting_ = false;
  bool woken_ = false;
  int wakes_ = 0;
};

}  // namespace oa::test
