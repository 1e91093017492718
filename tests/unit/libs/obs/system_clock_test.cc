#include "libs/obs/system_clock.h"

#include <gtest/gtest.h>

namespace oa::obs {
namespace {

TEST(SystemClock, follows_the_machine) {
  const SystemClock clock;
  const auto before = std::chrono::system_clock::now();
  const Time now = clock.now();
  const auto after = std::chrono::system_clock::now();
  EXPECT_GE(now, std::chrono::floor<std::chrono::microseconds>(before));
  EXPECT_LE(now, after);
}

TEST(SystemClock, only_moves_forward) {
  const SystemClock clock;
  const Monotonic first = clock.monotonic();
  EXPECT_LE(first, clock.monotonic());
}

}  // namespace
}  // namespace oa::obs
