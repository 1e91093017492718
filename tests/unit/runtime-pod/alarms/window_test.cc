#include "runtime-pod/alarms/window.h"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <utility>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr WindowLimits kSmall{.rows = 8, .in_flight = 5, .page = 3};

Time at(int second) { return Time(seconds(1'000'000 + second)); }
DueRow row(int second, const std::string& key = "a", AgentKey agent = 1) {
  return {at(second), agent, ItemKind::kAlarm, key};
}

// A window to which everything is known.
Window complete(WindowLimits limits = kSmall) {
  Window window(limits);
  window.loaded({}, limits.page);
  return window;
}

TEST(Window, gives_rows_in_order_of_time) {
  Window window = complete();
  window.add(row(3, "c"));
  window.add(row(1, "a"));
  window.add(row(2, "b"));
  EXPECT_EQ(window.wake(), at(1));
  EXPECT_EQ(window.take(at(2), 10), (std::vector{row(1, "a"), row(2, "b")}));
  EXPECT_EQ(window.wake(), at(3));
}

TEST(Window, knows_nothing_before_the_first_load) {
  Window window(kSmall);
  window.add(row(1));
  EXPECT_EQ(window.wanted(), 3u);
  EXPECT_TRUE(window.take(at(5), 10).empty());
  window.loaded({row(1)}, 3);
  EXPECT_EQ(window.take(at(5), 10), std::vector{row(1)});
}

TEST(Window, leaves_what_is_behind_the_horizon_to_a_later_load) {
  Window window(kSmall);
  window.loaded({row(1, "a"), row(2, "b"), row(3, "c")}, 3);
  window.add(row(9, "x"));
  EXPECT_EQ(window.next(), at(1));
  EXPECT_EQ(window.take(at(9), 10).size(), 3u);
  ASSERT_EQ(window.wanted(), 3u);
  EXPECT_EQ(*window.horizon(), row(3, "c"));
  window.loaded({row(9, "x")}, 3);
  EXPECT_EQ(window.take(at(9), 10), std::vector{row(9, "x")});
  EXPECT_FALSE(window.wanted());
}

TEST(Window, takes_in_a_row_that_a_load_was_too_early_for) {
  Window window(kSmall);
  const std::vector<DueRow> read_before_the_commit;
  window.loaded(read_before_the_commit, 3);
  window.add(row(1));
  EXPECT_EQ(window.take(at(1), 10), std::vector{row(1)});
}

TEST(Window, drops_its_latest_rows_when_it_overflows) {
  Window window = complete();
  for (int i = 9; i >= 1; --i) window.add(row(i, std::to_string(i)));
  EXPECT_EQ(*window.horizon(), row(8, "8"));
  EXPECT_FALSE(window.wanted());
  EXPECT_EQ(window.take(at(5), 10).size(), 5u);
  EXPECT_EQ(window.wanted(), 3u);
}

TEST(Window, keeps_a_row_in_flight_until_it_is_done) {
  Window window(kSmall);
  window.loaded({row(1)}, 3);
  ASSERT_EQ(window.take(at(1), 10).size(), 1u);
  window.loaded({row(1)}, 3);
  EXPECT_TRUE(window.take(at(9), 10).empty());
  EXPECT_FALSE(window.done_matters());
  window.done(row(1), false, at(9));
  EXPECT_TRUE(window.take(at(9), 10).empty());
}

TEST(Window, gives_a_row_again_that_was_written_again_in_flight) {
  Window window = complete();
  window.add(row(1));
  ASSERT_EQ(window.take(at(1), 10).size(), 1u);
  window.add(row(4));
  EXPECT_TRUE(window.take(at(5), 10).empty());
  EXPECT_TRUE(window.done_matters());
  window.done(row(1), false, at(5));
  EXPECT_EQ(window.take(at(5), 10), std::vector{row(4)});
}

TEST(Window, gives_a_row_again_that_was_replaced_at_its_own_time) {
  Window window = complete();
  window.add(row(1));
  ASSERT_EQ(window.take(at(1), 10).size(), 1u);
  window.add(row(1));
  window.done(row(1), false, at(1));
  EXPECT_EQ(window.take(at(1), 10), std::vector{row(1)});
}

TEST(Window, moves_a_row_that_was_written_again) {
  Window window = complete();
  window.add(row(1));
  window.add(row(5));
  EXPECT_EQ(window.next(), at(5));
  EXPECT_TRUE(window.take(at(4), 10).empty());
  EXPECT_EQ(window.take(at(5), 10), std::vector{row(5)});
}

TEST(Window, gives_no_more_than_may_be_in_flight) {
  Window window = complete();
  for (int i = 1; i <= 7; ++i) window.add(row(i, std::to_string(i)));
  EXPECT_EQ(window.take(at(9), 10).size(), 5u);
  EXPECT_FALSE(window.wake());
  EXPECT_TRUE(window.done_matters());
  window.done(row(2, "2"), false, at(9));
  EXPECT_EQ(window.take(at(9), 10), std::vector{row(6, "6")});
}

TEST(Window, lets_an_agent_rest_that_cannot_take_more_and_others_go_on) {
  Window window = complete();
  window.add(row(1, "a", 1));
  window.add(row(2, "b", 1));
  window.add(row(2, "c", 2));
  ASSERT_EQ(window.take(at(2), 1).size(), 1u);
  window.done(row(1, "a", 1), true, at(2));
  EXPECT_EQ(window.next(), at(1));
  EXPECT_EQ(window.wake(), at(2)) << "the row of the other agent";
  EXPECT_EQ(window.take(at(2), 10), std::vector{row(2, "c", 2)});
  EXPECT_EQ(window.wake(), at(2) + milliseconds(50));
  EXPECT_TRUE(window.take(at(3), 10).empty()) << "what was set aside is to be loaded first";
  ASSERT_EQ(window.wanted(), 3u);
  EXPECT_LT(*window.horizon(), row(1, "a", 1));
  window.loaded({row(1, "a", 1), row(2, "b", 1), row(2, "c", 2)}, 3);
  EXPECT_EQ(window.take(at(3), 10), (std::vector{row(1, "a", 1), row(2, "b", 1)}));
}

TEST(Window, rests_longer_each_time_and_not_at_all_after_a_success) {
  Window window = complete();
  window.add(row(1));
  Time now = at(1);
  std::vector<Duration> rests;
  for (int i = 0; i < 9; ++i) {
    const auto taken = window.take(now, 1);
    ASSERT_EQ(taken.size(), 1u);
    window.done(taken[0], true, now);
    rests.push_back(*window.wake() - now);
    now = *window.wake();
    EXPECT_TRUE(window.take(now, 1).empty());
    window.loaded({row(1)}, 3);
  }
  EXPECT_EQ(rests[0], milliseconds(50));
  EXPECT_EQ(rests[1], milliseconds(100));
  EXPECT_EQ(rests[8], seconds(5));
  window.done(window.take(now, 1).at(0), false, now);
  EXPECT_FALSE(window.wake());
}

TEST(Window, ends_a_rest_when_the_clock_is_set_back) {
  Window window = complete();
  window.add(row(1));
  ASSERT_EQ(window.take(at(100), 1).size(), 1u);
  window.done(row(1), true, at(100));
  EXPECT_TRUE(window.take(at(5), 1).empty());
  ASSERT_TRUE(window.wanted());
  window.loaded({row(1)}, 3);
  EXPECT_EQ(window.take(at(5), 1), std::vector{row(1)});
}

TEST(Window, gives_nothing_twice_and_loses_nothing_when_the_clock_is_set_back) {
  Window window = complete();
  window.add(row(1, "a"));
  window.add(row(5, "b"));
  ASSERT_EQ(window.take(at(2), 10).size(), 1u);
  EXPECT_TRUE(window.take(at(0), 10).empty());
  EXPECT_EQ(window.wake(), at(5));
  EXPECT_EQ(window.take(at(100), 10), std::vector{row(5, "b")});
}

TEST(Window, reads_again_where_commits_were_not_told) {
  Window window = complete();
  window.add(row(1, "a"));
  window.add(row(6, "c"));
  ASSERT_EQ(window.take(at(1), 10).size(), 1u);
  window.missed(at(2));
  EXPECT_LT(*window.horizon(), row(2));
  window.loaded({row(4, "b"), row(6, "c")}, 3);
  window.done(row(1, "a"), false, at(9));
  EXPECT_EQ(window.take(at(9), 10), (std::vector{row(1, "a"), row(4, "b"), row(6, "c")}))
      << "the row in flight may have been written again";
}

// The database, commits whose `add` comes later, and a reader, against a window: everything that
// may happen, in a random order.
class World {
 public:
  explicit World(unsigned seed) : random_(seed), window_({.rows = 12, .in_flight = 6, .page = 4}) {}

  void step() {
    switch (roll(0, 13)) {
      case 0:
      case 1:
      case 2:
        return write();
      case 3:
        return remove();
      case 4:
      case 5:
        return tell();
      case 6:
        return lose_adds();
      case 7:
        return read();
      case 8:
      case 9:
        return finish_read();
      case 10:
        return take();
      case 11:
      case 12:
        return deal();
      case 13:
        now_ += milliseconds(roll(-3000, 4000));
        return;
    }
  }

  // With nothing new and nobody who refuses, everything comes to an end.
  void settle() {
    refusing_ = false;
    now_ += seconds(1000);
    for (int i = 0; i < 5000 && !(rows_.empty() && flights_.empty()); ++i) {
      finish_read();
      while (!untold_.empty()) tell();
      read();
      finish_read();
      take();
      while (!flights_.empty()) deal();
      now_ += milliseconds(50);
    }
    EXPECT_TRUE(rows_.empty()) << "lost: " << rows_.begin()->first.second;
  }

 private:
  using Id = std::pair<AgentKey, std::string>;

  int roll(int from, int to) { return std::uniform_int_distribution(from, to)(random_); }
  static DueRow due(const Id& id, Time time) {
    return {time, id.first, ItemKind::kAlarm, id.second};
  }

  // Of whole seconds, so that many rows are due together, and are written again for the same time.
  void commit(const Id& id, Time time) {
    rows_[id] = std::chrono::floor<seconds>(time);
    untold_.push_back(due(id, rows_[id]));
  }
  void write() {
    commit({roll(1, 3), std::to_string(roll(0, 40))}, now_ + milliseconds(roll(-2000, 9000)));
  }
  void remove() {
    if (!rows_.empty()) rows_.erase(std::next(rows_.begin(), roll(0, 100) % rows_.size()));
  }
  // One thread tells, reads and takes: what is told during a read is taken in after it.
  void tell() {
    if (untold_.empty() || read_pending_) return;
    window_.add(untold_.front());
    untold_.pop_front();
  }
  // The inbox of the timekeeper is full: the first rows are told, of the others only a time.
  void lose_adds() {
    if (untold_.size() < 4 || read_pending_) return;
    for (int i = 0; i < 2; ++i) tell();
    Time earliest = Time::max();
    for (const DueRow& row : untold_) earliest = std::min(earliest, row.at);
    untold_.clear();
    window_.missed(earliest);
  }
  void read() {
    const auto limit = window_.wanted();
    if (!limit || read_pending_) return;
    std::vector<DueRow> all;
    for (const auto& [id, time] : rows_) {
      const DueRow row = due(id, time);
      if (!window_.horizon() || row > *window_.horizon()) all.push_back(row);
    }
    std::sort(all.begin(), all.end());
    if (all.size() > *limit) all.resize(*limit);
    page_ = all;
    limit_ = *limit;
    read_pending_ = true;
  }
  void finish_read() {
    if (!read_pending_) return;
    window_.loaded(page_, limit_);
    read_pending_ = false;
  }
  void take() {
    if (read_pending_) return;
    Time last = Time::min();
    for (const DueRow& row : window_.take(now_, roll(1, 8))) {
      EXPECT_LE(row.at, now_);
      EXPECT_LE(last, row.at);
      last = row.at;
      const Id id{row.agent, row.key};
      EXPECT_TRUE(flights_.emplace(id, row).second) << "twice in flight: " << row.key;
    }
  }
  // What the receiver does: it looks the row up, and removes or moves it, or cannot take it.
  void deal() {
    if (flights_.empty() || read_pending_) return;
    const auto flight = std::next(flights_.begin(), roll(0, 100) % flights_.size());
    const DueRow row = flight->second;
    const Id id = flight->first;
    const auto stored = rows_.find(id);
    bool again = false;
    if (stored != rows_.end() && stored->second <= row.at) {
      const int what = roll(0, 9);
      again = refusing_ && what < 3;
      if (!again && refusing_ && what < 6) {
        commit(id, now_ + milliseconds(roll(-100, 5000)));
      } else if (!again) {
        rows_.erase(stored);
      }
    }
    flights_.erase(flight);
    window_.done(row, again, now_);
  }

  std::mt19937 random_;
  Window window_;
  Time now_ = at(0);
  bool refusing_ = true;
  std::map<Id, Time> rows_;
  std::deque<DueRow> untold_;
  std::map<Id, DueRow> flights_;
  std::vector<DueRow> page_;
  std::size_t limit_ = 0;
  bool read_pending_ = false;
};

TEST(Window, loses_no_row_and_gives_none_twice_whatever_happens) {
  const unsigned first = std::random_device{}();
  for (unsigned i = 0; i < 300; ++i) {
    SCOPED_TRACE("seed " + std::to_string(first + i));
    World world(first + i);
    for (int steps = 0; steps < 400; ++steps) world.step();
    world.settle();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace oa::runtime
