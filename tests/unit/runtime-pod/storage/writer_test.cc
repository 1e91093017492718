#include "runtime-pod/storage/writer.h"

#include <future>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "libs/obs/system_clock.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/schema.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime {
namespace {

using Operation = oa::test::FaultyVfs::Operation;
using test::put_agent;
using test::put_key;
using test::tick;

constexpr std::chrono::seconds kPatience{30};

// The first change holds the writer's thread in its callback until the test lets go, so that what
// is submitted meanwhile becomes one batch.
class WriterTest : public testing::Test {
 protected:
  WriterTest() : log("test", {.sink = [](std::string_view) {}}, clock) { start(); }

  void start() {
    auto db = sqlite::Database::open(
        path(), {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs.name()});
    ASSERT_TRUE(prepare_writer(*db));
    const std::int64_t epoch = raise_epoch(*db).value();
    writer = Writer::start(std::move(*db), epoch, test::seal, {},
                           {.closed =
                                [this](const Error& why) {
                                  closed = why.detail;
                                  is_closed.set_value();
                                },
                            .full = [this](const Error&) { ++fulls; },
                            .committed = [this](std::size_t n, Duration) { batches.push_back(n); }},
                           clock, log)
                 .value();
  }
  std::string path() const { return dir.file("x.db"); }

  Result<Committed> commit(Change change) {
    std::promise<Result<Committed>> promise;
    auto future = promise.get_future();
    writer->submit(std::move(change),
                   [&](Result<Committed> result) { promise.set_value(std::move(result)); });
    if (future.wait_for(kPatience) == std::future_status::ready) return future.get();
    writer->stop();
    return make_error(Code::kTimeout, "the writer did not answer");
  }

  // Holds the writer, submits the changes, runs `meanwhile`, lets go, and returns what each change
  // was told; nothing for one that was told nothing until the writer had stopped.
  std::vector<std::optional<Result<Committed>>> commit_together(
      std::vector<Change> changes, const std::function<void()>& meanwhile) {
    std::promise<void> held;
    std::promise<void> go;
    writer->submit(put_agent("holder"), [&](Result<Committed>) {
      held.set_value();
      go.get_future().wait();
    });
    held.get_future().wait();
    std::vector<std::optional<Result<Committed>>> told(changes.size());
    for (std::size_t i = 0; i < changes.size(); ++i) {
      writer->submit(std::move(changes[i]), [&told, i](Result<Committed> result) {
        EXPECT_FALSE(told[i]);
        told[i] = std::move(result);
      });
    }
    meanwhile();
    go.set_value();
    writer->stop();
    return told;
  }

  std::vector<AgentKey> add_agents(int count) {
    std::vector<AgentKey> keys;
    for (int i = 0; i < count; ++i) {
      keys.push_back(commit(put_agent("agent-" + std::to_string(i))).value().row.key);
    }
    batches.clear();
    return keys;
  }

  // What a new process finds: the names of agents whose state is set.
  std::set<std::string> agents_with_state() {
    writer.reset();
    auto db = sqlite::Database::open(path()).value();
    EXPECT_TRUE(prepare_writer(db));
    EXPECT_EQ(db.query_integer("SELECT count(*) FROM pragma_integrity_check").value(), 1);
    auto query = db.prepare(
                       "SELECT name FROM agent JOIN state ON agent.id = state.agent WHERE "
                       "state_bytes IS NOT NULL")
                     .value();
    std::set<std::string> names;
    while (query.step().value()) names.insert(std::string(query.text(0)));
    return names;
  }

  oa::test::TempDir dir;
  oa::test::FaultyVfs vfs{"writer-test"};
  const obs::SystemClock clock;
  const obs::Logger log;
  std::string closed;  // why; to be read when the writer has stopped
  std::promise<void> is_closed;
  int fulls = 0;
  std::vector<std::size_t> batches;
  std::unique_ptr<Writer> writer;
};

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
  writer.reset();
  auto db = sqlite::Database::open(path(), {.busy_timeout = std::chrono::milliseconds(0)}).value();
  ASSERT_TRUE(prepare_writer(db));
  const std::int64_t epoch = raise_epoch(db).value();
  writer =
      Writer::start(std::move(db), epoch, test::seal, {.checkpoint_frames = 100}, {}, clock, log)
          .value();
  const AgentKey key = commit(put_agent("a")).value().row.key;
  for (int version = 1; version <= 100; ++version) {
    ASSERT_TRUE(commit(tick(key, version, std::string(20'000, 'x'))));
  }
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), 200u * 4096);
}

}  // namespace
}  // namespace oa::runtime
