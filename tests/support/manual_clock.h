// A clock that stands still until the test moves it.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <atomic>

#include "core/clock.h"

namespace oa::test {

class ManualClock : public Clock {
 public:
  explicit ManualClock(Time start = Time(std::chrono::seconds(1'800'000'000))) : start_(start) {}

  Time now() const override { return start_ + std::chrono::microseconds(wall_.load()); }
  Monotonic monotonic() const override {
    return Monotonic(std::chrono::microseconds(elapsed_.load()));
  }

  void advance(Duration by) {
    wall_ += by.count();
    elapsed_ += by.count();
  }
  // Moves the wall clock alone, as an administrator or NTP does.
  void jump(Duration by) { wall_ += by.count(); }

 private:
  const Time start_;
  std::atomic<std::int64_t> wall_{0};
  std::atomic<std::int64_t> elapsed_{0};
};

}  // namespace oa::test
