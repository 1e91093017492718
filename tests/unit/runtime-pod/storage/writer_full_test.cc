// A writer that runs out of room: on the disk, and in the write-ahead log.
#include <gtest/gtest.h>

#include "runtime-pod/storage/writer.h"
#include "tests/unit/runtime-pod/storage/writer_fixture.h"

namespace oa::runtime {
namespace {

using test::kPatience;
using test::put_agent;
using test::tick;

constexpr std::int64_t kReserve = 400'000;

class WriterFullTest : public test::WriterTest {
 protected:
  // A reserve that can be given up once.
  void start_with_reserve() {
    make_room = [this] {
      if (!reserved) return false;
      reserved = false;
      vfs.add_room(kReserve);
      return true;
    };
    start();
  }
  bool reserved = true;
};

TEST_F(WriterFullTest, finishes_what_it_has_taken_in_with_the_room_that_was_given_up) {
  start_with_reserve();
  const auto keys = add_agents(3);
  std::vector<Change> changes;
  for (const AgentKey key : keys) changes.push_back(tick(key, 1, std::string(20'000, 'x')));
  const auto told = commit_together(std::move(changes), [&] { vfs.set_room(0); });
  for (const auto& result : told) EXPECT_TRUE(result && result->ok());
  EXPECT_FALSE(reserved);
  EXPECT_EQ(fulls, 1);
  EXPECT_EQ(closed, "");
  EXPECT_EQ(agents_with_state().size(), 3u);
}

TEST_F(WriterFullTest, refuses_what_does_not_fit_even_so_and_goes_on_with_what_does) {
  start_with_reserve();
  const auto keys = add_agents(2);
  AgentCommit large = tick(keys[0], 1);
  for (int i = 0; i < 10; ++i) {
    large.items.push_back(test::put_key(std::to_string(i), std::string(80'000, 'x')));
  }
  const auto told = commit_together({large, tick(keys[1], 1, "{}"), AgentRemove{keys[0]}},
                                    [&] { vfs.set_room(0); });
  EXPECT_EQ(told[0]->error().code, Code::kLimitExceeded);
  EXPECT_EQ(told[0]->error().reason, "StorageFull");
  EXPECT_TRUE(told[1]->ok());
  EXPECT_TRUE(told[2]->ok());
  EXPECT_EQ(closed, "");
  EXPECT_EQ(agents_with_state().size(), 1u);
}

TEST_F(WriterFullTest, takes_the_room_back_when_nobody_has_work) {
  std::promise<void> taken;
  take_room_back = [&, is_first = true]() mutable {
    if (std::exchange(is_first, false)) taken.set_value();
  };
  start({.idle_before_checkpoint = std::chrono::milliseconds(1)});
  ASSERT_TRUE(commit(put_agent("a")));
  EXPECT_EQ(taken.get_future().wait_for(kPatience), std::future_status::ready);
  writer->stop();
}

TEST_F(WriterFullTest, answers_exactly_what_is_there_wherever_the_room_ends) {
  for (int room = 0; room <= 40'000; room += 1'000) {
    SCOPED_TRACE("room for " + std::to_string(room));
    const auto suffix = "-" + std::to_string(room);
    std::vector<Change> changes;
    for (int i = 0; i < 3; ++i) {
      const AgentKey key = commit(put_agent("agent-" + std::to_string(i) + suffix)).value().row.key;
      changes.push_back(tick(key, 1, std::string(9'000, 'x')));
    }
    const auto told = commit_together(std::move(changes), [&] { vfs.set_room(room); });
    vfs.set_room({});
    const auto there = agents_with_state();
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(told[i].has_value());
      EXPECT_EQ(told[i]->ok(), there.count("agent-" + std::to_string(i) + suffix) == 1);
    }
    EXPECT_EQ(closed, "");
    start();
  }
}

TEST_F(WriterFullTest, shuts_the_intake_while_somebody_else_holds_the_log_at_its_limit) {
  std::promise<Error> full;
  std::promise<void> short_again;
  log_full = [&](const Result<void>& verdict) {
    if (verdict) {
      short_again.set_value();
    } else {
      full.set_value(verdict.error());
    }
  };
  start({.checkpoint_frames = 50,
         .log_frames = 100,
         .idle_before_checkpoint = std::chrono::milliseconds(1)});
  const AgentKey key = commit(put_agent("a")).value().row.key;
  auto other = sqlite::Database::open(path(), {.read_only = true}).value();
  ASSERT_TRUE(other.execute("BEGIN"));
  ASSERT_TRUE(other.query_integer("SELECT count(*) FROM agent"));

  auto told = full.get_future();
  std::int64_t version = 0;
  while (told.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    ASSERT_LT(version, 1000);
    ASSERT_TRUE(commit(tick(key, ++version, std::string(20'000, 'x'))));
  }
  EXPECT_EQ(told.get().reason, "StorageLogFull");
  // What was taken in is committed all the same.
  EXPECT_TRUE(commit(tick(key, ++version, "{}")));

  ASSERT_TRUE(other.execute("COMMIT"));
  EXPECT_EQ(short_again.get_future().wait_for(kPatience), std::future_status::ready);
  writer->stop();
  EXPECT_GT(interruptions, 0);
}

}  // namespace
}  // namespace oa::runtime
