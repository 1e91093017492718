// A tick's context that keeps what it is asked for in memory, and a scheduler that waits for
// nothing.
//
// Thread-safety: can be used from any thread; the members that are read after the calls only then.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libs/obs/log.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/handlers/handler.h"

namespace oa::test {

class InlineScheduler : public runtime::Scheduler {
 public:
  void post(std::function<void()> work) override { work(); }
  void at(Monotonic, std::function<void()>) override {}
};

class RecordingContext : public runtime::TickContext {
 public:
  ~RecordingContext() override = default;

  // What the attempt's end does.
  void end() {
    std::vector<std::function<void()>> told;
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
      told.swap(told_);
    }
    for (const auto& one : told) one();
  }

  bool is_over() const override {
    const std::lock_guard lock(mutex_);
    return over_;
  }
  void on_over(std::function<void()> told) override {
    const std::lock_guard lock(mutex_);
    told_.push_back(std::move(told));
  }
  void get_kv(const std::string& key, Done<std::optional<runtime::KvValue>> done) override {
    const auto found = stored.find(key);
    if (found == stored.end()) return done(std::optional<runtime::KvValue>());
    done(std::optional<runtime::KvValue>({found->second, "text/plain", 1}));
  }
  void list_kv(const std::string& prefix, const std::string& after, int limit,
               Done<runtime::KvPage> done) override {
    runtime::KvPage page;
    for (const auto& [key, value] : stored) {
      if (!key.starts_with(prefix) || key <= after) continue;
      if (static_cast<int>(page.items.size()) == limit) {
        page.next = page.items.back().key;
        break;
      }
      page.items.push_back({key, "text/plain", static_cast<std::int64_t>(value.size()), 1});
    }
    done(std::move(page));
  }
  Result<void> add(runtime::TickWrites more) override {
    const std::lock_guard lock(mutex_);
    runtime::append_writes(writes, std::move(more));
    return {};
  }
  void spend(const runtime::Usage& more) override {
    const std::lock_guard lock(mutex_);
    usage.tokens_in += more.tokens_in;
    usage.tokens_out += more.tokens_out;
    usage.iterations += more.iterations;
  }
  void find_step(runtime::StepKey step, Done<std::optional<std::string>> done) override {
    const auto found = steps.find({step.name, step.occurrence});
    if (found == steps.end()) return done(std::optional<std::string>());
    if (found->second.first != step.input_hash) {
      return done(make_error(Code::kConflict, "NonDeterministic", "its input has changed"));
    }
    done(std::optional<std::string>(found->second.second));
  }
  void put_step(runtime::StepKey step, std::string value, Done<void> done) override {
    steps[{step.name, step.occurrence}] = {step.input_hash, std::move(value)};
    done({});
  }
  void perform(runtime::EffectRequest effect, Done<runtime::EffectOutcome> done) override {
    performed.push_back(std::move(effect));
    done(outcome);
  }
  void ask(runtime::ApprovalRequest request, Done<runtime::ApprovalState> done) override {
    asked.push_back(std::move(request));
    done(runtime::ApprovalState{"a-1", runtime::Decision::kApproved, "go on"});
  }
  void compensate(runtime::EffectRequest undo, Done<void> done) override {
    compensations.push_back(std::move(undo));
    done({});
  }
  void heartbeat(Duration next) override { beats.push_back(next); }
  void emit(std::string_view event, Json data) override {
    const std::lock_guard lock(mutex_);
    emitted.emplace_back(event, std::move(data));
  }
  void log(std::string_view level, std::string text) override {
    const std::lock_guard lock(mutex_);
    logged.emplace_back(level, std::move(text));
  }

  // While calls are still coming.
  std::vector<std::pair<std::string, Json>> snapshot_emitted() const {
    const std::lock_guard lock(mutex_);
    return emitted;
  }

  std::map<std::string, std::string> stored;
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::string, std::string>> steps;
  runtime::TickWrites writes;
  runtime::Usage usage;
  runtime::EffectOutcome outcome{.delivered = true, .status = 201, .body = "made"};
  std::vector<runtime::EffectRequest> performed;
  std::vector<runtime::ApprovalRequest> asked;
  std::vector<runtime::EffectRequest> compensations;
  std::vector<Duration> beats;
  std::vector<std::pair<std::string, Json>> emitted;
  std::vector<std::pair<std::string, std::string>> logged;

 private:
  mutable std::mutex mutex_;
  bool over_ = false;                        // by mutex_
  std::vector<std::function<void()>> told_;  // by mutex_
};

inline obs::Logger silent_logger(const Clock& clock) {
  return obs::Logger("test", {.sink = [](std::string_view) {}}, clock);
}

inline const Time kTickTime = Time(std::chrono::seconds(1'800'000'000));

// A tick of agent shop/clerk that was sent `payload`.
inline runtime::TickInput tick_input(Payload payload,
                                     std::shared_ptr<runtime::TickContext> context = nullptr) {
  Envelope envelope{.id = "e-1", .source = "http", .time = kTickTime};
  envelope.payload = std::move(payload);
  return {.agent = {"shop", "clerk"},
          .uid = "u-1",
          .epoch = 7,
          .tick = 42,
          .attempt = 2,
          .now = kTickTime,
          .deadline_time = kTickTime + std::chrono::seconds(30),
          .deadline = Monotonic(std::chrono::seconds(30)),
          .trigger =
              std::make_shared<const Trigger>(Trigger{TriggerType::kRequest, std::move(envelope)}),
          .context = std::move(context)};
}

}  // namespace oa::test
