#include "runtime-pod/alarms/wall_timer.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"

namespace oa::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

// A wait may return early, so whoever waits looks at the clock.
TEST(SystemWallTimer, waits_until_the_clock_shows_the_time) {
  const obs::SystemClock clock;
  const auto timer = SystemWallTimer::open().value();
  const Time at = clock.now() + milliseconds(30);
  int waits = 0;
  while (clock.now() < at) {
    timer->wait(at);
    ++waits;
  }
  EXPECT_LT(waits, 20);
}

TEST(SystemWallTimer, does_not_wait_for_what_is_past) {
  const auto timer = SystemWallTimer::open().value();
  timer->wait(Time(std::chrono::seconds(1)));
  timer->wait(Time{});
  timer->wait(Time::min());
}

TEST(SystemWallTimer, is_woken_by_another_thread) {
  const obs::SystemClock clock;
  const auto timer = SystemWallTimer::open().value();
  for (const std::optional<Time> at :
       {std::optional<Time>{}, std::optional(clock.now() + hours(1)), std::optional(Time::max())}) {
    std::thread waker([&] { timer->wake(); });
    timer->wait(at);
    waker.join();
  }
}

TEST(SystemWallTimer, remembers_a_wake_that_came_before_the_wait) {
  const auto timer = SystemWallTimer::open().value();
  timer->wake();
  timer->wake();
  timer->wait(std::nullopt);
}

}  // namespace
}  // namespace oa::runtime
