// The world around an actor, held still: work, timers, the handler and commits wait until the test
// lets them go on, in any order.
//
// Thread-safety: none; tests with these are single-threaded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/obs/metrics.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/storage/store.h"
#include "runtime-pod/storage/writer.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime::test {

class HeldScheduler : public Scheduler {
 public:
  explicit HeldScheduler(oa::test::ManualClock& clock) : clock_(clock) {}

  void post(std::function<void()> work) override { work_.push_back(std::move(work)); }
  void at(Monotonic when, std::function<void()> work) override {
    timers_.emplace(when, std::move(work));
  }

  // Runs everything that is posted, also by what is run.
  void run_all() {
    while (!work_.empty()) {
      const auto next = std::move(work_.front());
      work_.pop_front();
      next();
    }
  }

  // Moves the clock, and runs the timers that fall due on the way.
  void pass(Duration span) {
    const Monotonic end = clock_.monotonic() + span;
    while (!timers_.empty() && timers_.begin()->first <= end) {
      const auto due = timers_.extract(timers_.begin());
      if (due.key() > clock_.monotonic()) {
        clock_.advance(std::chrono::ceil<Duration>(due.key() - clock_.monotonic()));
      }
      work_.push_back(due.mapped());
      run_all();
    }
    clock_.advance(std::chrono::ceil<Duration>(end - clock_.monotonic()));
    run_all();
  }

 private:
  oa::test::ManualClock& clock_;
  std::deque<std::function<void()>> work_;
  std::multimap<Monotonic, std::function<void()>> timers_;
};

// Keeps each commit until the test answers it.
class HeldCommits : public CommitSink {
 public:
  struct Held {
    Change change;
    OnCommit done;
    const AgentCommit& tick() const { return std::get<AgentCommit>(change); }
  };

  void submit(Change change, OnCommit done) override {
    held.push_back({std::move(change), std::move(done)});
  }

  Held take() {
    Held first = std::move(held.front());
    held.pop_front();
    return first;
  }
  // As a store that works: the head after the commit.
  void succeed() {
    const Held one = take();
    Committed committed;
    committed.head = {
        .version = one.tick().version.value_or(0), .tick = one.tick().tick, .bytes = 10};
    one.done(std::move(committed));
  }
  void fail(Error error) { take().done(std::move(error)); }

  std::deque<Held> held;
};

// Keeps each tick until the test finishes it.
class HeldHandler : public Handler {
 public:
  struct Held {
    TickInput input;
    std::function<void(TickOutcome)> done;
  };

  std::string_view name() const override { return "held"; }
  void run(TickInput input, std::function<void(TickOutcome)> done) override {
    held.push_back({std::move(input), std::move(done)});
  }

  Held take() {
    Held first = std::move(held.front());
    held.pop_front();
    return first;
  }

  std::deque<Held> held;
};

inline Hash no_seal(const Hash&, std::string_view, const LogRecord&) { return {}; }

// Everything that actors share.
struct World {
  oa::test::ManualClock clock;
  HeldScheduler scheduler{clock};
  HeldCommits commits;
  HeldHandler handler;
  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids{1};
  std::vector<std::string> log_lines;
  const obs::Logger log{
      "test", {.sink = [this](std::string_view line) { log_lines.emplace_back(line); }}, clock};
  oa::test::TempDir dir;
  // What is read; nothing is committed to it.
  std::unique_ptr<Store> store =
      Store::open({.directory = dir.file("data"), .seal = no_seal}, {}, clock, nullptr, log)
          .value();
  ActorServices services{clock,
                         scheduler,
                         commits,
                         store->reader(),
                         [this](const AgentSpec&) -> Handler& { return handler; },
                         metrics,
                         ids,
                         log,
                         7};
  InputGate gate{1024 * 1024, nullptr};
};

}  // namespace oa::runtime::test
