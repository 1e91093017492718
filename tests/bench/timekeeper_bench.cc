// How fast the timekeeper fires what is due, beside reading the same rows alone, and how late it
// is.
//
//   timekeeper_bench [DIRECTORY [ROWS]]
//
// ROWS (1,000,000) alarms of 100,000 agents are in the database before each measure, and every one
// is done at once. "backlog": all are due at the start. "pace": they are due 1,000 a second.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "libs/obs/system_clock.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/alarms/timekeeper.h"
#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/schema.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

constexpr int kAgents = 100'000;
constexpr std::chrono::seconds kPaceTime{10};

template <typename T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", to_string(result.error()).c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void write_alarms(const std::string& path, int rows, Time first, Duration spacing) {
  auto db = must(sqlite::Database::open(path));
  must(prepare_writer(db));
  auto changes = must(Changes::prepare(
      db, [](const Hash&, std::string_view, const LogRecord&) -> Hash { return {}; }));
  must(db.execute("BEGIN"));
  for (int i = 0; i < kAgents; ++i) {
    changes.apply(
        AgentPut{{0, {"default", "agent-" + std::to_string(i)}, "uid", Time(), "{}"}, {}, {}});
  }
  must(db.execute("WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < " +
                  std::to_string(rows) +
                  ") INSERT INTO item(agent, kind, key, number, due_class, due, content_type, "
                  "value) SELECT 1 + i % " +
                  std::to_string(kAgents) + ", 9, 'alarm-' || i, 1, 0, " +
                  std::to_string(first.time_since_epoch().count()) + " + i * " +
                  std::to_string(spacing.count()) + ", '', x'7b7d' FROM n"));
  must(db.execute("COMMIT"));
  must(db.checkpoint_truncate());
}

double anonymous_megabytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kilobytes = 0;
  while (status >> word) {
    if (word == "RssAnon:") status >> kilobytes;
  }
  return kilobytes / 1024;
}

double seconds_since(const Clock& clock, Monotonic start) {
  return std::chrono::duration<double>(clock.monotonic() - start).count();
}

Timekeeper::Load load_from(Reader& reader) {
  return [&reader](const std::optional<DueRow>& after, std::size_t limit) {
    return reader.due_rows(Due::Class::kWork, after, Time::max(), static_cast<int>(limit));
  };
}

void wait_for(const std::atomic<int>& count, int target) {
  while (count < target) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void run_backlog(const std::string& path, int rows, const Clock& clock, const obs::Logger& log) {
  write_alarms(path, rows, clock.now() - std::chrono::hours(1), Duration(1));
  auto reader = must(Reader::open(path));
  auto started = clock.monotonic();
  std::optional<DueRow> last;
  for (;;) {
    const auto page = must(load_from(reader)(last, WindowLimits{}.page));
    if (page.empty()) break;
    last = page.back();
  }
  const double read_seconds = seconds_since(clock, started);

  const auto timer = must(SystemWallTimer::open());
  std::atomic<int> fired{0};
  Timekeeper keeper(
      {}, clock, *timer, load_from(reader),
      [&](const DueRow&, const Timekeeper::Done& done) {
        done(false);
        ++fired;
      },
      nullptr, log);
  started = clock.monotonic();
  keeper.start();
  wait_for(fired, rows);
  const double fire_seconds = seconds_since(clock, started);
  keeper.stop();
  std::printf("backlog: %.0f fired/s, %.0f read/s alone, %.2fx\n", rows / fire_seconds,
              rows / read_seconds, read_seconds / fire_seconds);
}

void run_pace(const std::string& path, int rows, const Clock& clock, const obs::Logger& log) {
  const Time first = clock.now() + std::chrono::seconds(20);
  write_alarms(path, rows, first, std::chrono::milliseconds(1));
  auto reader = must(Reader::open(path));
  const auto timer = must(SystemWallTimer::open());
  std::vector<Duration> late;  // of the timekeeper's thread until it stops
  std::atomic<int> fired{0};
  const double before = anonymous_megabytes();
  const auto started = clock.monotonic();
  Timekeeper keeper(
      {}, clock, *timer, load_from(reader),
      [&](const DueRow&, const Timekeeper::Done& done) {
        done(false);
        ++fired;
      },
      [&](const DueRow&, Duration lateness) { late.push_back(lateness); }, log);
  keeper.start();
  while (!keeper.next()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::printf("pace: window of %d rows loaded after %.0f ms, %.1f MB more memory\n", rows,
              1000 * seconds_since(clock, started), anonymous_megabytes() - before);
  wait_for(fired, static_cast<int>(kPaceTime / std::chrono::milliseconds(1)));
  keeper.stop();
  std::sort(late.begin(), late.end());
  const auto at = [&](double share) {
    return static_cast<double>(late[static_cast<std::size_t>(share * (late.size() - 1))].count());
  };
  std::printf("pace: 1,000/s, late by p50 %.0f us, p99 %.0f us, at most %.0f us\n", at(0.5),
              at(0.99), at(1));
}

}  // namespace
}  // namespace oa::runtime

int main(int argc, char** argv) {
  const oa::test::TempDir dir;
  const std::string directory = argc > 1 ? argv[1] : dir.path();
  const int rows = argc > 2 ? std::atoi(argv[2]) : 1'000'000;
  const oa::obs::SystemClock clock;
  const oa::obs::Logger log("bench", {}, clock);
  oa::runtime::run_backlog(directory + "/backlog.db", rows, clock, log);
  oa::runtime::run_pace(directory + "/pace.db", rows, clock, log);
}
