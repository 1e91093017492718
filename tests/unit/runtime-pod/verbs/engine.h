// A runtime without sockets: a real store, host and timekeeper under a clock that the test moves,
// with a handler that does what the test says. It can be killed, and started again on its data.
//
// Thread-safety: none; of one test. The handler's script runs on the engine's threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "libs/obs/metrics.h"
#include "runtime-pod/alarms/timekeeper.h"
#include "runtime-pod/handlers/notebook.h"
#include "runtime-pod/storage/store.h"
#include "runtime-pod/verbs/services.h"
#include "tests/support/eventually.h"
#include "tests/support/manual_clock.h"
#include "tests/support/manual_wall_timer.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime::test {

// What a callback was called with.
template <typename T>
class Answer {
 public:
  std::function<void(Result<T>)> callback() {
    return [promise = promise_](Result<T> result) { promise->set_value(std::move(result)); };
  }
  Result<T> get() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<Result<T>>> promise_ = std::make_shared<std::promise<Result<T>>>();
};

// Calls `begin` with a callback, and waits for what it is called with.
template <typename T, typename Begin>
Result<T> await(Begin begin) {
  Answer<T> answer;
  begin(answer.callback());
  return answer.get();
}

class ScriptedHandler : public Handler {
 public:
  using Done = std::function<void(TickOutcome)>;
  using Script = std::function<void(const TickInput&, Done)>;

  std::string_view name() const override { return "scripted"; }
  void run(TickInput input, Done done) override {
    Script script;
    {
      const std::lock_guard lock(mutex_);
      inputs_.push_back(input);
      script = script_;
    }
    if (script) return script(input, std::move(done));
    done({});
  }

  void script(Script script) {
    const std::lock_guard lock(mutex_);
    script_ = std::move(script);
  }
  std::vector<TickInput> inputs() const {
    const std::lock_guard lock(mutex_);
    return inputs_;
  }
  std::size_t runs() const {
    const std::lock_guard lock(mutex_);
    return inputs_.size();
  }
  // Contexts keep the engine's parts alive.
  void forget() {
    const std::lock_guard lock(mutex_);
    inputs_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<TickInput> inputs_;  // by mutex_
  Script script_;                  // by mutex_; empty: every tick is done at once
};

// Work runs at once on real threads, timers when the test passes the time.
class ManualScheduler : public Scheduler {
 public:
  explicit ManualScheduler(const Clock& clock)
      : clock_(clock), workers_(make_thread_scheduler(2, clock)) {}

  void post(std::function<void()> work) override { workers_->post(std::move(work)); }
  void at(Monotonic when, std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      timers_.emplace(when, std::move(work));
    }
    run_due();
  }
  void run_due() {
    for (;;) {
      std::function<void()> next;
      {
        const std::lock_guard lock(mutex_);
        if (timers_.empty() || timers_.begin()->first > clock_.monotonic()) return;
        next = std::move(timers_.begin()->second);
        timers_.erase(timers_.begin());
      }
      post(std::move(next));
    }
  }

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::multimap<Monotonic, std::function<void()>> timers_;  // by mutex_
  std::unique_ptr<Scheduler> workers_;
};

// A store that a test can hold or cut off. What comes after the cut is never answered.
class Switch : public CommitSink {
 public:
  explicit Switch(CommitSink& next) : next_(next) {}
  void submit(Change change, OnCommit done) override {
    if (cut_ || (after_ > 0 && --after_ == 0)) {
      cut_ = true;
      return;
    }
    next_.submit(std::move(change), std::move(done));
  }
  void cut() { cut_ = true; }
  // The commit after so many is the first to be lost.
  void cut_after(int commits) { after_ = commits + 1; }
  bool is_cut() const { return cut_; }

 private:
  CommitSink& next_;
  std::atomic<bool> cut_{false};
  std::atomic<int> after_{0};
};

inline Hash unsealed(const Hash&, std::string_view, const LogRecord&) { return {}; }

class Engine {
 public:
  using Expire = std::function<bool(const Services&, const DueRow&, Timekeeper::Done)>;

  Engine() { start(); }
  ~Engine() { kill(); }

  // Nothing that is not on disk yet will be.
  void kill() {
    if (!store) return;
    commits->cut();
    timekeeper->stop();
    store->close();
    // Work that was posted may still use the host.
    scheduler.reset();
    handler.forget();
    if (ended_) ended_();
    services.reset();
    host.reset();
    actor_services.reset();
    timekeeper.reset();
    timer.reset();
    store.reset();
    commits.reset();
  }
  void restart() {
    kill();
    start();
  }

  // To let go of what the test holds of the handler.
  void on_end(std::function<void()> ended) { ended_ = std::move(ended); }

  // `expire` sees what is due of jobs and approvals.
  void on_due(Expire expire) { expire_ = std::move(expire); }

  AgentId put(const std::string& name, Json spec = Json::object()) {
    const Agent agent = parse_agent(Json{{"apiVersion", "openagents.com/v1"},
                                         {"kind", "Agent"},
                                         {"metadata", {{"name", name}}},
                                         {"spec", std::move(spec)}})
                            .value();
    const auto result = await<PutResult>(
        [&](auto done) { host->put(agent, PutMode::kApply, "", std::move(done)); });
    EXPECT_TRUE(result) << result.error().detail;
    return agent.id;
  }

  // Both clocks go on, and what falls due happens.
  void pass(Duration span) {
    timer->advance(span);
    scheduler->run_due();
  }

  std::shared_ptr<Actor> actor(const AgentId& id) {
    auto found = await<std::shared_ptr<Actor>>([&](auto done) { host->find(id, std::move(done)); });
    return found ? *found : nullptr;
  }
  std::vector<Item> rows(const AgentId& id, ItemKind kind) {
    const auto stored = store->reader().find_agent(id);
    if (!stored || !*stored) return {};
    return store->reader()
        .list_items((*stored)->row.key, kind, "", "", kMaxListLimit, Values::kInclude)
        .value()
        .items;
  }

  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  ScriptedHandler handler;
  std::vector<std::pair<std::string, OutboxRow>> outbox;  // by outbox_mutex
  std::mutex outbox_mutex;

  std::unique_ptr<ManualScheduler> scheduler;
  std::unique_ptr<oa::test::ManualWallTimer> timer;
  std::unique_ptr<Store> store;
  std::unique_ptr<Switch> commits;
  std::unique_ptr<ActorServices> actor_services;
  std::unique_ptr<Host> host;
  std::unique_ptr<Services> services;
  std::unique_ptr<Timekeeper> timekeeper;

 private:
  void start() {
    const obs::Logger log("test", {.sink = [](std::string_view) {}}, clock);
    WriterHooks hooks;
    hooks.due = [this](std::span<const DueRow> rows) {
      if (timekeeper) timekeeper->added(rows);
    };
    scheduler = std::make_unique<ManualScheduler>(clock);
    timer = std::make_unique<oa::test::ManualWallTimer>(clock);
    timekeeper = std::make_unique<Timekeeper>(
        WindowLimits{}, clock, *timer,
        [this](const std::optional<DueRow>& after, std::size_t limit) {
          return store->reader().due_rows(Due::Class::kWork, after, Time::max(),
                                          static_cast<int>(limit));
        },
        [this](const DueRow& row, Timekeeper::Done done) {
          if (expire_ && expire_(*services, row, done)) return;
          if (row.kind == ItemKind::kOutbox) return done(false);
          host->fire(row, std::move(done));
        },
        nullptr, log);
    store = Store::open({.directory = dir.file("data"), .seal = unsealed}, std::move(hooks), clock,
                        nullptr, log)
                .value();
    commits = std::make_unique<Switch>(store->commits());
    const auto find_handler = [this](const AgentSpec&) -> Handler& { return handler; };
    actor_services = std::unique_ptr<ActorServices>(
        new ActorServices{clock, *scheduler, *commits, store->reader(), find_handler, metrics, ids,
                          log, store->epoch()});
    actor_services->outputs.outbox = [this](AgentKey, const AgentId&, const std::string& key,
                                            const OutboxRow& row) {
      const std::lock_guard lock(outbox_mutex);
      outbox.emplace_back(key, row);
    };
    host = std::make_unique<Host>(HostOptions{}, *actor_services, gate, store->reader());
    const auto well = []() -> Result<void> { return {}; };
    services =
        std::unique_ptr<Services>(new Services{clock, *host, store->reader(), *scheduler, gate, ids,
                                               metrics, watchers, find_handler, well, well});
    timekeeper->start();
  }

  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids;
  InputGate gate{16 * 1024 * 1024, nullptr};
  Watchers watchers;
  Expire expire_;
  std::function<void()> ended_;
};

}  // namespace oa::runtime::test
