// A writer over a disk whose faults a test picks.
//
// Thread-safety: none; of one test.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"
#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/writer.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime::test {

inline constexpr std::chrono::seconds kPatience{30};

// The first change holds the writer's thread in its callback until the test lets go, so that what
// is submitted meanwhile becomes one batch.
class WriterTest : public testing::Test {
 protected:
  WriterTest() : log("test", {.sink = [](std::string_view) {}}, clock) { start(); }

  void start() { start({}); }
  void start(WriterLimits limits) {
    writer.reset();
    auto db = sqlite::Database::open(
        path(), {.busy_timeout = std::chrono::milliseconds(0), .vfs = vfs.name()});
    ASSERT_TRUE(prepare_writer(*db));
    const std::int64_t epoch = raise_epoch(*db).value();
    writer = Writer::start(std::move(*db), epoch, seal, limits,
                           {.closed =
                                [this](const Error& why) {
                                  closed = why.detail;
                                  is_closed.set_value();
                                },
                            .full = [this](const Error&) { ++fulls; },
                            .committed = [this](std::size_t n, Duration) { batches.push_back(n); },
                            .due = due,
                            .log_full = log_full,
                            .interrupt_readers = [this] { ++interruptions; },
                            .make_room = make_room,
                            .take_room_back = take_room_back},
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
  int interruptions = 0;
  // For the next `start`.
  std::function<void(std::span<const DueRow>)> due;
  std::function<void(Result<void>)> log_full;
  std::function<bool()> make_room;
  std::function<void()> take_room_back;
  std::vector<std::size_t> batches;
  std::unique_ptr<Writer> writer;
};

}  // namespace oa::runtime::test
