#include "libs/kube/waiter.h"

#include <thread>

#include <gtest/gtest.h>

#include "libs/kube/backoff.h"

namespace oa::kube {
namespace {

using namespace std::chrono_literals;

TEST(RealWaiter, waits_for_the_time_asked) {
  RealWaiter waiter;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(waiter.wait(10ms, {}));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 10ms);
}

TEST(RealWaiter, ends_when_stopped) {
  RealWaiter waiter;
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(waiter.wait(1h, stop.get_token()));
  EXPECT_FALSE(waiter.wait(1h, stop.get_token()));
}

TEST(RandomJitter, stays_within_its_bounds) {
  const Jitter jitter = random_jitter();
  for (int i = 0; i < 1000; ++i) {
    const double value = jitter();
    EXPECT_GE(value, 0);
    EXPECT_LT(value, 1);
  }
}

TEST(Backoff, grows_up_to_its_limit_and_starts_anew_after_a_reset) {
  Backoff backoff({100ms, 1s, 3, 0, {}});
  const Monotonic now{1h};
  EXPECT_EQ(backoff.next(now, 0.9), 100ms);
  EXPECT_EQ(backoff.next(now, 0.9), 300ms);
  EXPECT_EQ(backoff.next(now, 0.9), 900ms);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(backoff.next(now, 0.9), 1s);
  backoff.reset();
  EXPECT_EQ(backoff.next(now, 0.9), 100ms);
}

}  // namespace
}  // namespace oa::kube
