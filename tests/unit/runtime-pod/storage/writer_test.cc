#include "runtime-pod/storage/writer.h"

#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "runtime-pod/storage/schema.h"
#include "tests/unit/runtime-pod/storage/writer_fixture.h"

namespace oa::runtime {
namespace {

using Operation = oa::test::FaultyVfs::Operation;
using test::kPatience;
using test::put_agent;
using test::tick;

using test::WriterTest;

TEST_F(WriterTest, commits_a_change_that_finds_it_idle_at_once) {
  add_agents(1);
  EXPECT_TRUE(commit(tick(1, 1, "{}")));
  EXPECT_EQ(batches, std::vector<std::size_t>{1});
}

TEST_F(WriterTest, commits_what_waits_together_and_in_order) {
  const auto keys = add_agents(20);
  std::vector<Change> changes;
  for (int version = 1; version <= 3; ++version) {
    for (const AgentKey key : keys) changes.push_back(tick(key, version, "{}"));
  }
  std::vector<std::size_t> seen;
  const auto told = commit_together(std::move(changes), [&] { seen = batches; });
  for (const auto& result : told) EXPECT_TRUE(result && result->ok());
  // The holder, then far fewer transactions than changes; how many depends on the time bound.
  EXPECT_LT(batches.size(), 30u);
  EXPECT_EQ(agents_with_state().size(), 20u);
}

TEST_F(WriterTest, lets_the_others_of_a_batch_through_when_one_is_refused) {
  const auto keys = add_agents(3);
  const auto told = commit_together(
      {tick(keys[0], 1, "{}"), tick(keys[1], 9, "{}"), tick(keys[2], 1, "{}")}, [] {});
  EXPECT_TRUE(told[0]->ok());
  EXPECT_EQ(told[1]->error().reason, "Fenced");
  EXPECT_TRUE(told[2]->ok());
}

// Fails every write of one batch in turn: whatever is answered is what is there, and a failure of
// the batch does not become a failure of those that fit alone.
TEST_F(WriterTest, runs_each_change_of_a_failed_batch_alone) {
  const auto keys = add_agents(3);
  const auto told =
      commit_together({tick(keys[0], 1, "{}"), tick(keys[1], 1, "{}"), tick(keys[2], 1, "{}")},
                      [&] { vfs.fail(Operation::kWrite, 1, SQLITE_FULL); });
  for (const auto& result : told) EXPECT_TRUE(result && result->ok());
  EXPECT_EQ(fulls, 0);
  EXPECT_EQ(closed, "");
  EXPECT_EQ(agents_with_state().size(), 3u);
}

TEST_F(WriterTest, answers_exactly_what_is_there_whichever_write_fails) {
  for (int nth = 1; nth <= 24; ++nth) {
    SCOPED_TRACE("write " + std::to_string(nth) + " fails");
    const auto suffix = "-" + std::to_string(nth);
    std::vector<AgentKey> keys;
    for (int i = 0; i < 3; ++i) {
      keys.push_back(commit(put_agent("agent-" + std::to_string(i) + suffix)).value().row.key);
    }
    std::vector<Change> changes;
    for (const AgentKey key : keys) changes.push_back(tick(key, 1, std::string(9000, 'x')));
    const auto told = commit_together(std::move(changes),
                                      [&] { vfs.fail(Operation::kWrite, nth, SQLITE_FULL, 6); });
    vfs.clear();
    const auto there = agents_with_state();
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(told[i].has_value());
      EXPECT_EQ(told[i]->ok(), there.count("agent-" + std::to_string(i) + suffix) == 1);
      EXPECT_TRUE(told[i]->ok() || told[i]->error().reason == "StorageFull");
    }
    EXPECT_EQ(closed, "");
    start();
  }
  EXPECT_GT(fulls, 0);
}

TEST_F(WriterTest, answers_nothing_when_it_cannot_know_whether_a_commit_took_place) {  // I6
  const auto keys = add_agents(3);
  const auto told = commit_together({tick(keys[0], 1, "{}"), tick(keys[1], 1, "{}")},
                                    [&] { vfs.fail(Operation::kSync, 1, SQLITE_IOERR_FSYNC); });
  EXPECT_FALSE(told[0]);
  EXPECT_FALSE(told[1]);
  EXPECT_NE(closed, "");
  // The database that is opened again decides, for all of the batch together.
  const auto there = agents_with_state().size();
  EXPECT_TRUE(there == 0 || there == 2) << there;
}

TEST_F(WriterTest, tells_what_became_due_before_it_answers) {  // I5
  std::vector<std::string> seen;
  due = [&](std::span<const DueRow> rows) {
    for (const DueRow& row : rows) seen.push_back("due " + row.key);
  };
  start();
  const auto keys = add_agents(2);
  AgentCommit first = tick(keys[0], 1);
  first.items = {test::put_item(ItemKind::kAlarm, "a", "", test::work_at(5)),
                 test::put_item(ItemKind::kReplay, "r", "", test::expiry_at(5))};
  AgentCommit refused = tick(keys[1], 9);
  refused.items = {test::put_item(ItemKind::kAlarm, "never", "", test::work_at(5))};
  writer->submit(first, [&](Result<Committed>) { seen.push_back("done"); });
  writer->submit(refused, [&](Result<Committed>) { seen.push_back("refused"); });
  writer->stop();
  EXPECT_EQ(seen, (std::vector<std::string>{"due a", "done", "refused"}));
}

TEST_F(WriterTest, sweeps_expired_rows_while_there_is_always_work) {
  start({.sweep_commits = 3, .idle_before_checkpoint = std::chrono::hours(1)});
  const auto keys = add_agents(1);
  AgentCommit old = tick(keys[0], 1);
  old.items = {test::put_item(ItemKind::kReplay, "r", "", test::expiry_at(5))};
  ASSERT_TRUE(commit(old));
  for (int version = 2; version <= 8; ++version) ASSERT_TRUE(commit(tick(keys[0], version)));
  writer->stop();
  auto db = sqlite::Database::open(path()).value();
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM item").value(), 0);
}

TEST_F(WriterTest, refuses_everything_once_it_is_closed) {
  add_agents(2);
  vfs.fail(Operation::kSync, 1, SQLITE_IOERR_FSYNC);
  std::promise<void> unused;
  writer->submit(tick(1, 1, "{}"), [&](Result<Committed>) { unused.set_value(); });
  ASSERT_EQ(is_closed.get_future().wait_for(kPatience), std::future_status::ready);
  const Error error = commit(tick(2, 1, "{}")).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "StorageClosed");
  writer->stop();
  EXPECT_EQ(unused.get_future().wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

TEST_F(WriterTest, closes_when_a_disk_fails_outside_a_commit) {
  add_agents(1);
  vfs.fail(Operation::kWrite, 1, SQLITE_IOERR_WRITE, 1000);
  // The error surfaces at COMMIT, where its outcome is unknown, or before it, where it is not.
  writer->submit(tick(1, 1, "{}"), [](Result<Committed> result) { EXPECT_FALSE(result); });
  writer->stop();
  EXPECT_NE(closed, "");
}

TEST_F(WriterTest, closes_when_the_disk_has_become_read_only) {
  add_agents(1);
  vfs.fail(Operation::kWrite, 1, SQLITE_READONLY, 1000);
  writer->submit(tick(1, 1, "{}"), [](Result<Committed> result) { EXPECT_FALSE(result); });
  writer->stop();
  EXPECT_NE(closed, "");
}

TEST_F(WriterTest, closes_when_a_page_is_corrupt) {
  add_agents(1);
  writer.reset();
  std::int64_t page = 0;
  {
    auto db = sqlite::Database::open(path()).value();
    page = db.query_integer("SELECT rootpage FROM sqlite_schema WHERE name = 'state'").value();
    ASSERT_TRUE(db.checkpoint_truncate());
  }
  {
    std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * 4096);
    file << std::string(4096, 'x');
  }
  start();
  EXPECT_EQ(commit(tick(1, 1, "{}")).error().reason, "Corrupt");
  EXPECT_EQ(commit(tick(1, 1, "{}")).error().reason, "StorageClosed");
  writer->stop();
  EXPECT_NE(closed, "");
}

TEST_F(WriterTest, closes_when_another_process_has_raised_the_epoch) {  // I1
  const auto keys = add_agents(1);
  {
    auto other = sqlite::Database::open(path()).value();
    ASSERT_TRUE(raise_epoch(other));
  }
  const Error error = commit(tick(keys[0], 1, "{}")).error();
  EXPECT_EQ(error.reason, "StorageClosed");
  EXPECT_NE(error.detail.find("epoch"), std::string::npos);
  EXPECT_TRUE(agents_with_state().empty());
}

TEST_F(WriterTest, empties_the_log_when_it_stops) {
  add_agents(1);
  ASSERT_TRUE(commit(tick(1, 1, std::string(100'000, 'x'))));
  writer->stop();
  EXPECT_EQ(std::filesystem::file_size(path() + "-wal"), 0u);
  EXPECT_EQ(commit(tick(1, 2, "{}")).error().reason, "Stopping");
}

TEST_F(WriterTest, keeps_the_log_short_under_load) {
  start({.checkpoint_frames = 100});
  const AgentKey key = commit(put_agent("a")).value().row.key;
  for (int version = 1; version <= 100; ++version) {
    ASSERT_TRUE(commit(tick(key, version, std::string(20'000, 'x'))));
  }
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), 200u * 4096);
}

}  // namespace
}  // namespace oa::runtime
