#include "runtime-pod/alarms/timekeeper.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"
#include "tests/support/eventually.h"
#include "tests/support/manual_wall_timer.h"

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;

// A database of due rows, and a timekeeper over it with a clock of the test's.
class TimekeeperTest : public testing::Test {
 protected:
  TimekeeperTest()
      : log("test", {.sink = [this](std::string_view line) { lines.emplace_back(line); }}, clock) {}
  ~TimekeeperTest() override {
    if (keeper) keeper->stop();
  }

  void start(WindowLimits limits = {}) {
    keeper = std::make_unique<Timekeeper>(
        limits, clock, timer,
        [this](const std::optional<DueRow>& after, std::size_t limit) {
          return load(after, limit);
        },
        [this](const DueRow& row, Timekeeper::Done done) { fire(row, std::move(done)); },
        [this](const DueRow&, Duration lateness) {
          const std::lock_guard lock(mutex);
          latest = std::max(latest, lateness);
        },
        log);
    keeper->start();
    settle();
  }
  void settle() { ASSERT_TRUE(timer.await_asleep()); }

  Result<std::vector<DueRow>> load(const std::optional<DueRow>& after, std::size_t limit) {
    std::vector<DueRow> page;
    {
      const std::lock_guard lock(mutex);
      ++loads;
      if (broken) return make_error(Code::kUnavailable, "the database is busy");
      for (auto row = after ? rows.upper_bound(*after) : rows.begin();
           row != rows.end() && page.size() < limit; ++row) {
        page.push_back(*row);
      }
    }
    if (const auto hook = std::exchange(during_load, nullptr)) hook();
    return page;
  }
  void fire(const DueRow& row, Timekeeper::Done done) {
    const std::lock_guard lock(mutex);
    fired.push_back(row);
    if (hold) {
      held.emplace_back(row, std::move(done));
      return;
    }
    rows.erase(row);
    done(false);
  }

  void commit(const DueRow& row) {
    {
      const std::lock_guard lock(mutex);
      rows.insert(row);
    }
    keeper->added({&row, 1});
  }
  DueRow due_in(Duration delay, const std::string& key, AgentKey agent = 1) {
    return {clock.now() + delay, agent, ItemKind::kAlarm, key};
  }
  std::string keys() {
    settle();
    const std::lock_guard lock(mutex);
    std::string all;
    for (const DueRow& row : fired) all += row.key;
    return all;
  }

  test::ManualClock clock;
  test::ManualWallTimer timer{clock};
  std::vector<std::string> lines;
  obs::Logger log;
  std::mutex mutex;  // of the three below, and of what the callbacks write
  std::set<DueRow> rows;
  std::vector<DueRow> fired;
  std::vector<std::pair<DueRow, Timekeeper::Done>> held;
  bool hold = false;
  bool broken = false;
  int loads = 0;
  Duration latest{};
  std::function<void()> during_load;
  std::unique_ptr<Timekeeper> keeper;
};

TEST_F(TimekeeperTest, fires_what_the_database_holds_in_order_of_time) {
  rows = {due_in(seconds(2), "b"), due_in(seconds(1), "a"), due_in(seconds(60), "c")};
  start();
  EXPECT_EQ(keeper->next(), clock.now() + seconds(1));
  EXPECT_EQ(keys(), "");
  timer.advance(seconds(3));
  EXPECT_EQ(keys(), "ab");
  EXPECT_EQ(latest, seconds(2));
  timer.advance(seconds(57));
  EXPECT_EQ(keys(), "abc");
  EXPECT_FALSE(keeper->next());
}

TEST_F(TimekeeperTest, sleeps_without_end_while_nothing_is_due) {
  start();
  EXPECT_FALSE(timer.awaited());
  timer.advance(std::chrono::hours(24));
  settle();
  EXPECT_EQ(timer.wakes(), 0);
  EXPECT_EQ(loads, 1);
}

TEST_F(TimekeeperTest, is_woken_only_by_rows_that_are_earlier_than_what_it_waits_for) {
  start();
  commit(due_in(seconds(10), "b"));
  settle();
  const int wakes = timer.wakes();
  commit(due_in(seconds(20), "c"));
  settle();
  EXPECT_EQ(timer.wakes(), wakes);
  commit(due_in(seconds(5), "a"));
  EXPECT_EQ(keeper->next(), clock.now() + seconds(5));
  settle();
  EXPECT_EQ(timer.wakes(), wakes + 1);
  timer.advance(seconds(30));
  EXPECT_EQ(keys(), "abc");
}

TEST_F(TimekeeperTest, fires_everything_in_order_when_the_clock_jumps_forward) {
  rows = {due_in(seconds(7200), "b"), due_in(seconds(3600), "a")};
  start();
  timer.jump(std::chrono::hours(3));
  EXPECT_EQ(keys(), "ab");
}

TEST_F(TimekeeperTest, waits_anew_when_the_clock_jumps_back) {
  rows = {due_in(seconds(10), "a"), due_in(seconds(20), "b")};
  start();
  timer.advance(seconds(10));
  EXPECT_EQ(keys(), "a");
  timer.jump(-std::chrono::hours(1));
  EXPECT_EQ(keys(), "a");
  timer.advance(std::chrono::hours(1));
  EXPECT_EQ(keys(), "a");
  timer.advance(seconds(10));
  EXPECT_EQ(keys(), "ab");
}

TEST_F(TimekeeperTest, fires_a_row_that_was_committed_while_a_page_was_read) {
  during_load = [this] { commit(due_in(seconds(1), "a")); };
  start();
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "a");
}

TEST_F(TimekeeperTest, does_not_fire_again_what_is_in_flight) {
  hold = true;
  rows = {due_in(seconds(1), "a")};
  start();
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "a");
  timer.advance(seconds(100));
  EXPECT_EQ(keys(), "a");
  commit(due_in(seconds(-1), "a"));
  EXPECT_EQ(keys(), "a");
  held.at(0).second(false);
  EXPECT_EQ(keys(), "aa") << "it was written again";
}

TEST_F(TimekeeperTest, fires_again_after_a_while_what_could_not_be_taken) {
  hold = true;
  rows = {due_in(seconds(1), "a"), due_in(seconds(2), "b", 2)};
  start();
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "a");
  held.at(0).second(true);
  held.at(0).second(false);  // only the first call counts
  EXPECT_EQ(keys(), "a");
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "aab");
}

TEST_F(TimekeeperTest, fires_again_what_was_let_go_of) {
  hold = true;
  rows = {due_in(seconds(1), "a")};
  start();
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "a");
  held.clear();
  settle();
  timer.advance(seconds(1));
  EXPECT_EQ(keys(), "aa");
}

TEST_F(TimekeeperTest, goes_on_when_what_is_in_flight_at_its_limit_gets_less) {
  hold = true;
  for (int i = 0; i < 5; ++i) rows.insert(due_in(seconds(i), std::to_string(i)));
  start({.in_flight = 3});
  timer.advance(seconds(10));
  EXPECT_EQ(keys(), "012");
  held.at(1).second(false);
  EXPECT_EQ(keys(), "0123");
}

TEST_F(TimekeeperTest, fires_a_backlog_that_is_larger_than_its_memory) {
  for (int i = 0; i < 5000; ++i) {
    rows.insert(due_in(milliseconds(-i), std::to_string(i), 1 + i % 7));
  }
  const std::vector<DueRow> all(rows.begin(), rows.end());
  start({.rows = 100, .in_flight = 50, .page = 30});
  settle();
  EXPECT_EQ(fired, all);
  EXPECT_TRUE(rows.empty());
}

TEST_F(TimekeeperTest, keeps_what_is_added_faster_than_it_can_look) {
  std::atomic<bool> reading{false};
  std::atomic<bool> go_on{false};
  during_load = [&] {
    reading = true;
    EXPECT_TRUE(eventually([&] { return go_on.load(); }));
  };
  std::thread writer([&] {
    EXPECT_TRUE(eventually([&] { return reading.load(); }));
    for (int i = 0; i < 100; ++i) commit(due_in(milliseconds(i), std::to_string(i)));
    go_on = true;
  });
  start({.rows = 10, .in_flight = 10, .page = 5});
  writer.join();
  timer.advance(seconds(1));
  settle();
  const std::set<DueRow> each(fired.begin(), fired.end());
  EXPECT_EQ(each.size(), 100u);
  EXPECT_TRUE(rows.empty());
}

TEST_F(TimekeeperTest, reads_again_after_a_failure_and_says_so_once) {
  broken = true;
  rows = {due_in(seconds(1), "a")};
  start();
  for (int i = 0; i < 20; ++i) {
    timer.advance(seconds(6));
    settle();
  }
  EXPECT_EQ(loads, 21);
  EXPECT_EQ(lines.size(), 1u);
  {
    const std::lock_guard lock(mutex);
    broken = false;
  }
  timer.advance(seconds(6));
  EXPECT_EQ(keys(), "a");
  EXPECT_EQ(lines.size(), 2u);
}

TEST_F(TimekeeperTest, reads_again_after_a_failure_though_the_clock_is_set_back) {
  broken = true;
  rows = {due_in(-std::chrono::hours(2), "a")};
  start();
  {
    const std::lock_guard lock(mutex);
    broken = false;
  }
  timer.jump(-std::chrono::hours(1));
  EXPECT_EQ(keys(), "a");
}

TEST_F(TimekeeperTest, stops_while_it_fires) {
  for (int i = 0; i < 5000; ++i) rows.insert(due_in(seconds(0), std::to_string(i)));
  hold = true;
  keeper = std::make_unique<Timekeeper>(
      WindowLimits{}, clock, timer,
      [this](const std::optional<DueRow>& after, std::size_t limit) { return load(after, limit); },
      [this](const DueRow& row, Timekeeper::Done done) { fire(row, std::move(done)); }, nullptr,
      log);
  keeper->start();
  EXPECT_TRUE(eventually([this] {
    const std::lock_guard lock(mutex);
    return !fired.empty();
  }));
  keeper->stop();
  const std::size_t count = fired.size();
  keeper.reset();
  for (auto& [row, done] : held) done(true);  // nobody hears it
  EXPECT_EQ(fired.size(), count);
}

// With the real clock: rows that many threads commit are fired in time, each once.
TEST(TimekeeperOnRealTime, fires_what_several_threads_add) {
  const obs::SystemClock clock;
  const auto timer = SystemWallTimer::open().value();
  const obs::Logger log("test", {.sink = [](std::string_view) {}}, clock);
  std::mutex mutex;
  std::set<DueRow> rows;
  std::multiset<std::string> fired;
  Timekeeper keeper(
      {.rows = 64, .in_flight = 32, .page = 16}, clock, *timer,
      [&](const std::optional<DueRow>& after, std::size_t limit) -> Result<std::vector<DueRow>> {
        const std::lock_guard lock(mutex);
        std::vector<DueRow> page;
        for (auto row = after ? rows.upper_bound(*after) : rows.begin();
             row != rows.end() && page.size() < limit; ++row) {
          page.push_back(*row);
        }
        return page;
      },
      [&](const DueRow& row, const Timekeeper::Done& done) {
        EXPECT_GE(clock.now(), row.at);
        {
          const std::lock_guard lock(mutex);
          if (rows.erase(row) == 1) fired.insert(row.key);
        }
        done(false);
      },
      nullptr, log);
  keeper.start();
  constexpr int kThreads = 3;
  constexpr int kEach = 200;
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const DueRow row{clock.now() + milliseconds(i % 50), t + 1, ItemKind::kAlarm,
                         std::to_string(t) + "-" + std::to_string(i)};
        const std::lock_guard lock(mutex);  // commits have an order, and are told in it
        rows.insert(row);
        keeper.added({&row, 1});
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return fired.size() == kThreads * kEach;
  }));
  keeper.stop();
  EXPECT_TRUE(rows.empty());
}

}  // namespace
}  // namespace oa::runtime
