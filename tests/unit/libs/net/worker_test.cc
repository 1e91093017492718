#include <gtest/gtest.h>

#include "libs/net/worker_impl.h"

namespace oa::net {
namespace {

using std::chrono::milliseconds;

class Waiting : public Served {
 public:
  void on_deadline() override {}
  void on_drain() override {}
  void close() override {}
};

class DeadlinesTest : public testing::Test {
 protected:
  static ServerLimits limits() {
    ServerLimits limits;
    limits.idle_timeout = milliseconds(100);
    limits.header_timeout = milliseconds(10);
    return limits;
  }

  Deadlines deadlines_{limits()};
  const SteadyTime start_{};
};

TEST_F(DeadlinesTest, are_none_at_first) {
  EXPECT_EQ(deadlines_.earliest(), std::nullopt);
  EXPECT_EQ(deadlines_.take_due(SteadyTime::max()), nullptr);
}

TEST_F(DeadlinesTest, come_earliest_first_whatever_their_phase) {
  Waiting idle;
  Waiting late;
  Waiting early;
  deadlines_.set(idle, Phase::kIdle, start_);
  deadlines_.set(early, Phase::kHeaders, start_ + milliseconds(1));
  deadlines_.set(late, Phase::kHeaders, start_ + milliseconds(2));
  EXPECT_EQ(deadlines_.earliest(), start_ + milliseconds(11));
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(10)), nullptr);
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(11)), &early);
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(11)), nullptr);
  EXPECT_EQ(deadlines_.earliest(), start_ + milliseconds(12));
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(12)), &late);
  EXPECT_EQ(deadlines_.earliest(), start_ + milliseconds(100));
}

TEST_F(DeadlinesTest, move_when_set_again) {
  Waiting a;
  Waiting b;
  deadlines_.set(a, Phase::kIdle, start_);
  deadlines_.set(b, Phase::kIdle, start_ + milliseconds(1));
  deadlines_.set(a, Phase::kIdle, start_ + milliseconds(2));
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(200)), &b);
  EXPECT_EQ(deadlines_.take_due(start_ + milliseconds(200)), &a);
  EXPECT_EQ(deadlines_.earliest(), std::nullopt);
}

TEST_F(DeadlinesTest, end_when_cleared_or_destroyed) {
  Waiting a;
  deadlines_.set(a, Phase::kIdle, start_);
  Deadlines::clear(a);
  Deadlines::clear(a);
  {
    Waiting b;
    deadlines_.set(b, Phase::kIdle, start_);
  }
  EXPECT_EQ(deadlines_.earliest(), std::nullopt);
}

}  // namespace
}  // namespace oa::net
