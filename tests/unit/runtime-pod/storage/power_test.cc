// Loses the power at random moments, with random parts of what was not synced, and compares what
// was acknowledged with what is there.
#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/writer.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime {
namespace {

constexpr int kRounds = 200;
constexpr int kAgents = 5;

class PowerTest : public testing::Test {
 protected:
  // What the oracle knows of an agent.
  struct Known {
    AgentKey key = 0;
    std::int64_t submitted = 0;     // versions that may be there
    std::int64_t acknowledged = 0;  // versions that must be there
  };

  PowerTest() : log("test", {.sink = [](std::string_view) {}}, clock) {}

  void add_agents() {
    auto db = sqlite::Database::open(path()).value();
    ASSERT_TRUE(prepare_writer(db));
    auto changes = Changes::prepare(db, test::seal).value();
    for (int i = 0; i < kAgents; ++i) {
      const Applied applied = changes.apply(test::put_agent("agent-" + std::to_string(i)));
      known.push_back({.key = applied.committed.row.key});
    }
  }

  // Of an agent's version: its state, a key and a row with a time say the same number.
  AgentCommit next_commit(Known& agent) {
    const std::int64_t version = ++agent.submitted;
    const std::string text = std::to_string(version);
    AgentCommit commit = test::tick(agent.key, version, text);
    if (random() % 4 == 0) commit.state = text + std::string(random() % 20'000, ' ');
    commit.items = {test::put_key("k", text),
                    test::put_item(ItemKind::kAlarm, "next", text, test::work_at(version)),
                    test::put_item(ItemKind::kEnvelope, text, "", test::expiry_at(version))};
    commit.events = "[" + text + "]";
    return commit;
  }

  // A process that works until the power fails.
  void run_until_dark() {
    auto db = sqlite::Database::open(
        path(), {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs.name()});
    ASSERT_TRUE(db);
    vfs.lose_power_at(static_cast<int>(1 + random() % 80));
    if (!prepare_writer(*db)) return;
    const auto epoch = raise_epoch(*db);
    if (!epoch) return;
    auto started = Writer::start(std::move(*db), *epoch, test::seal,
                                 {.checkpoint_frames = 20, .sweep_commits = 7}, {}, clock, log);
    if (!started) return;
    const std::unique_ptr<Writer> writer = std::move(*started);
    for (int i = 0; i < 2000 && vfs.has_power(); ++i) {
      Known& agent = known[random() % kAgents];
      AgentCommit commit = next_commit(agent);
      const std::int64_t version = *commit.version;
      writer->submit(std::move(commit), [this, &agent, version](Result<Committed> result) {
        if (!result) return;
        const std::lock_guard lock(mutex);
        EXPECT_EQ(agent.acknowledged, version - 1);
        agent.acknowledged = version;
      });
    }
    writer->stop();
  }

  // What the next process finds.
  void check() {
    auto db = sqlite::Database::open(path()).value();
    ASSERT_TRUE(prepare_writer(db));
    auto problem = db.prepare("SELECT integrity_check FROM pragma_integrity_check").value();
    ASSERT_TRUE(problem.step().value());
    ASSERT_EQ(problem.text(0), "ok");
    auto reader = Reader::open(path()).value();
    for (Known& agent : known) {
      const StoredAgent stored = reader.find_agent(agent.key).value().value();
      const std::int64_t version = stored.head.version;
      ASSERT_GE(version, agent.acknowledged);
      ASSERT_LE(version, agent.submitted);
      agent.submitted = version;
      agent.acknowledged = version;
      if (version == 0) continue;
      EXPECT_EQ(std::stoll(stored.state.value()), version);
      EXPECT_EQ(reader.get_item(agent.key, ItemKind::kKv, "k").value()->number, version);
      EXPECT_EQ(reader.next_due(agent.key).value(), test::work_at(version).at);
      EXPECT_EQ(stored.head.number, version);
      const auto log_page = reader.list_log(agent.key, stored.head.log, 100).value();
      for (std::size_t i = 0; i < log_page.items.size(); ++i) {
        EXPECT_EQ(log_page.items[i].number, version - static_cast<std::int64_t>(i));
      }
    }
  }
  std::string path() const { return dir.file("x.db"); }

  oa::test::TempDir dir;
  oa::test::FaultyVfs vfs{"power-test"};
  const obs::SystemClock clock;
  const obs::Logger log;
  std::mt19937_64 random;
  std::mutex mutex;
  std::vector<Known> known;
};

TEST_F(PowerTest, whatever_was_acknowledged_is_there_after_the_power_failed) {  // I6
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  add_agents();
  for (int round = 0; round < kRounds && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    run_until_dark();
    vfs.lose_unsynced(random);
    check();
  }
  std::int64_t versions = 0;
  for (const Known& agent : known) versions += agent.acknowledged;
  EXPECT_GT(versions, kRounds);
}

}  // namespace
}  // namespace oa::runtime
