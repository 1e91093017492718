// How many small ticks per second the storage commits, beside raw SQLite that commits the same rows
// in the same groups.
//
//   storage_bench [DIRECTORY [SECONDS]]
//
// Each figure is of ticks that set a state of 100 bytes and leave a record of 300 bytes, over 1,000
// agents in turn. "tables" applies changes group by group; "writer" keeps so many ticks submitted
// to the writer's thread as a group has. Runs alternate, and each figure is the best of three.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "libs/obs/system_clock.h"
#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/writer.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

constexpr int kAgents = 1000;
constexpr int kRuns = 3;

struct Figure {
  double per_second = 0;
  double bytes = 0;  // to the write-ahead log, for each tick
};

struct Bench {
  std::string directory;
  Duration time;
  obs::SystemClock clock;
  int files = 0;

  std::string next_path() { return directory + "/" + std::to_string(++files) + ".db"; }
  bool is_over(Monotonic started) const { return clock.monotonic() - started >= time; }
  double per_second(std::int64_t ticks, Monotonic started) const {
    return static_cast<double>(ticks) /
           std::chrono::duration<double>(clock.monotonic() - started).count();
  }
};

template <typename T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", to_string(result.error()).c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Hash no_seal(const Hash&, std::string_view, const LogRecord&) { return {}; }

AgentCommit next_tick(AgentKey agent, std::int64_t version) {
  return {.agent = agent,
          .version = version,
          .tick = version,
          .time = Time(std::chrono::seconds(1)),
          .state = std::string(100, 's'),
          .record = std::string(300, 'r'),
          .max_storage_bytes = 1 << 30};
}

sqlite::Database open_tables(const std::string& path) {
  auto db = must(sqlite::Database::open(path));
  must(prepare_writer(db));
  auto changes = must(Changes::prepare(db, no_seal));
  must(db.execute("BEGIN"));
  for (int i = 0; i < kAgents; ++i) {
    const std::string name = "agent-" + std::to_string(i);
    const Applied put =
        changes.apply(AgentPut{{0, {"default", name}, "uid", Time(), "{}"}, {}, {}});
    changes.apply(next_tick(put.committed.row.key, 1));  // so that no row grows later
  }
  must(db.execute("COMMIT"));
  must(db.checkpoint_truncate());
  return db;
}

// The frames that a connection has written, over checkpoints.
class Frames {
 public:
  explicit Frames(sqlite::Database& db) : db_(db) {}
  void count() {
    const int now = db_.wal_frames();
    all_ += now - (now >= last_ ? last_ : 0);
    last_ = now;
    if (now < 16384) return;
    must(db_.checkpoint_truncate());
    last_ = 0;
  }
  double bytes() const { return static_cast<double>(all_) * (4096 + 24); }

 private:
  sqlite::Database& db_;
  std::int64_t all_ = 0;
  int last_ = 0;
};

Figure run_raw(Bench& bench, int group) {
  auto db = open_tables(bench.next_path());
  auto log =
      must(db.prepare("INSERT INTO log(agent, prev, kind, tick, number, time, hash, record) "
                      "VALUES(?1, ?2, 1, ?3, ?3, ?4, ?5, ?6)"));
  auto state = must(
      db.prepare("UPDATE state SET version = ?2, tick = ?2, bytes = 100, log = ?3, number = ?2, "
                 "time = ?4, hash = ?5, log_total = ?6, state_bytes = 100, state = ?7 WHERE agent "
                 "= ?1"));
  const std::string hash(32, 'h');
  const std::string text(100, 's');
  const std::string record(300, 'r');
  Frames frames(db);
  std::int64_t ticks = 0;
  const Monotonic started = bench.clock.monotonic();
  while (!bench.is_over(started)) {
    must(db.execute("BEGIN IMMEDIATE"));
    for (int i = 0; i < group; ++i, ++ticks) {
      const AgentKey agent = ticks % kAgents + 1;
      const std::int64_t version = ticks / kAgents + 2;
      log.bind(1, agent).bind(2, ticks).bind(3, version).bind(4, std::int64_t{1'000'000});
      must(log.bind_static_blob(5, hash).bind_static(6, record).run());
      state.bind(1, agent).bind(2, version).bind(3, ticks + 1).bind(4, std::int64_t{1'000'000});
      state.bind_static_blob(5, hash).bind(6, version * 300);
      must(state.bind_static_blob(7, text).run());
    }
    must(db.execute("COMMIT"));
    frames.count();
  }
  return {bench.per_second(ticks, started), frames.bytes() / static_cast<double>(ticks)};
}

Figure run_tables(Bench& bench, int group) {
  auto db = open_tables(bench.next_path());
  auto changes = must(Changes::prepare(db, no_seal));
  Frames frames(db);
  std::int64_t ticks = 0;
  const Monotonic started = bench.clock.monotonic();
  while (!bench.is_over(started)) {
    must(db.execute("BEGIN IMMEDIATE"));
    must(changes.epoch());
    for (int i = 0; i < group; ++i, ++ticks) {
      const Applied applied = changes.apply(next_tick(ticks % kAgents + 1, ticks / kAgents + 2));
      if (applied.kind != Applied::Kind::kWritten) must(Result<void>(applied.error));
    }
    must(db.execute("COMMIT"));
    frames.count();
  }
  return {bench.per_second(ticks, started), frames.bytes() / static_cast<double>(ticks)};
}

Figure run_writer(Bench& bench, int group) {
  auto db = open_tables(bench.next_path());
  const std::int64_t epoch = must(raise_epoch(db));
  const obs::Logger log("bench", {.sink = [](std::string_view) {}}, bench.clock);
  auto writer = must(Writer::start(std::move(db), epoch, no_seal, {}, {}, bench.clock, log));
  std::mutex mutex;
  std::condition_variable changed;
  int waiting = 0;
  std::int64_t ticks = 0;
  std::int64_t done = 0;
  const Monotonic started = bench.clock.monotonic();
  std::unique_lock lock(mutex);
  while (!bench.is_over(started)) {
    changed.wait(lock, [&] { return waiting < group; });
    const int room = group - waiting;
    waiting = group;
    lock.unlock();
    for (int i = 0; i < room; ++i, ++ticks) {
      writer->submit(next_tick(ticks % kAgents + 1, ticks / kAgents + 2),
                     [&](Result<Committed> result) {
                       must(std::move(result));
                       const std::lock_guard guard(mutex);
                       --waiting;
                       ++done;
                       changed.notify_one();
                     });
    }
    lock.lock();
  }
  const double per_second = bench.per_second(done, started);
  lock.unlock();
  writer->stop();
  return {per_second, 0};
}

void run_all(Bench& bench) {
  std::printf("%8s %12s %12s %12s %8s %8s %14s\n", "group", "raw/s", "tables/s", "writer/s",
              "tables", "writer", "bytes per tick");
  for (const int group : {1, 10, 50, 500}) {
    Figure raw;
    Figure tables;
    Figure writer;
    const auto keep = [](Figure& best, Figure now) {
      if (now.per_second > best.per_second) best = now;
    };
    for (int run = 0; run < kRuns; ++run) {
      keep(raw, run_raw(bench, group));
      keep(tables, run_tables(bench, group));
      keep(writer, run_writer(bench, group));
    }
    std::printf("%8d %12.0f %12.0f %12.0f %7.2fx %7.2fx %14.0f\n", group, raw.per_second,
                tables.per_second, writer.per_second, tables.per_second / raw.per_second,
                writer.per_second / raw.per_second, tables.bytes);
  }
}

}  // namespace
}  // namespace oa::runtime

int main(int argc, char** argv) {
  const oa::test::TempDir dir;
  oa::runtime::Bench bench{argc > 1 ? argv[1] : dir.path(),
                           std::chrono::milliseconds(static_cast<std::int64_t>(
                               1000 * (argc > 2 ? std::atof(argv[2]) : 1.0))),
                           {}};
  oa::runtime::run_all(bench);
}
