// Waits for a condition that another thread or process brings about.
//
// Thread-safety: the condition runs on the caller's thread.
#pragma once

#include <chrono>
#include <thread>

namespace oa::test {

// True as soon as `condition()` is; false if it is not by the deadline.
template <typename Condition>
bool eventually(Condition condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace oa::test
