// A Waiter that does not wait but writes down for how long it was asked to, and moves a clock on by
// that much.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <mutex>
#include <vector>

#include "libs/kube/waiter.h"
#include "tests/support/manual_clock.h"

namespace oa::test {

class RecordingWaiter : public kube::Waiter {
 public:
  explicit RecordingWaiter(ManualClock& clock) : clock_(clock) {}

  bool wait(Duration duration, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    std::lock_guard lock(mutex_);
    waits_.push_back(duration);
    clock_.advance(duration);
    return true;
  }

  std::vector<Duration> waits() const {
    std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  ManualClock& clock_;
  mutable std::mutex mutex_;
  std::vector<Duration> waits_;
};

}  // namespace oa::test
