#include "runtime-pod/agent/scheduler.h"

#include <atomic>
#include <future>
#include <vector>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;

TEST(Scheduler, runs_everything_that_is_posted) {
  const obs::SystemClock clock;
  const auto scheduler = make_thread_scheduler(2, clock);
  std::atomic<int> left = 1000;
  std::promise<void> done;
  for (int i = 0; i < 1000; ++i) {
    scheduler->post([&] {
      if (--left == 0) done.set_value();
    });
  }
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(Scheduler, runs_timers_in_order_of_their_time) {
  const obs::SystemClock clock;
  const auto scheduler = make_thread_scheduler(1, clock);
  std::promise<std::vector<int>> done;
  std::vector<int> order;
  const Monotonic now = clock.monotonic();
  scheduler->at(now + milliseconds(30), [&] {
    order.push_back(3);
    done.set_value(order);
  });
  scheduler->at(now + milliseconds(10), [&] { order.push_back(1); });
  scheduler->at(now + milliseconds(20), [&] { order.push_back(2); });
  auto future = done.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(future.get(), (std::vector<int>{1, 2, 3}));
  EXPECT_GE(clock.monotonic(), now + milliseconds(30));
}

TEST(Scheduler, drops_what_has_not_begun_when_it_ends) {
  const obs::SystemClock clock;
  bool ran = false;
  {
    const auto scheduler = make_thread_scheduler(1, clock);
    scheduler->at(clock.monotonic() + std::chrono::hours(1), [&] { ran = true; });
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace oa::runtime
