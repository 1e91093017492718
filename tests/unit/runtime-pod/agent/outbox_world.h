// The world around an outbox, held still: a disk of rows, work and timers that wait for the test,
// and requests that it answers.
//
// Thread-safety: none; tests with these are single-threaded.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime-pod/agent/outbox.h"
#include "tests/support/manual_clock.h"

namespace oa::runtime::test {

class OutboxWorld : public Scheduler, public CommitSink, public Sender {
 public:
  struct Sent {
    Outgoing request;
    Done done;
    void answer(int status, std::string body = {}, std::string retry_after = {}) const {
      done(OutgoingAnswer{status, std::move(retry_after), std::move(body)});
    }
  };

  explicit OutboxWorld(OutboxLimits given = {}) : limits(given) { start(); }
  ~OutboxWorld() override { outbox->stop(); }

  // As a process that is killed, and another one that is started: what is due is woken.
  void restart() {
    outbox->stop();
    work.clear();
    timers.clear();
    sent.clear();
    start();
    wake_due();
  }

  void start() {
    outbox = Outbox::make(
        {clock, *this, *this, *this,
         [this](AgentKey agent, ItemKind kind, const std::string& key) {
           return get_item(agent, kind, key);
         },
         [this](AgentKey agent, const std::string& after, int limit) {
           return list_rows(agent, after, limit);
         },
         [this](const AgentId& to, Trigger message, std::function<void(Result<void>)> done) {
           delivered.push_back({to, std::move(message), std::move(done)});
         },
         [this](AgentKey agent, Trigger trigger, AgentCommit commit, OnCommit done) {
           if (commit_error) return done(*commit_error);
           events.emplace_back(agent, std::move(trigger));
           submit(std::move(commit), std::move(done));
         },
         [](const std::string& name) -> Result<std::string> {
           if (name == "known") return std::string("s3cret");
           return make_error(Code::kNotFound, "no such secret");
         },
         [] { return 0.0; },
         obs::Logger("test", {.sink = [this](std::string_view line) { log.append(line); }}, clock),
         7},
        limits);
  }

  // Scheduler.
  void post(std::function<void()> job) override { work.push_back(std::move(job)); }
  void at(Monotonic when, std::function<void()> job) override {
    timers.emplace(when, std::move(job));
  }
  void run_all() {
    while (!work.empty()) {
      const auto next = std::move(work.front());
      work.pop_front();
      next();
    }
  }
  void pass(Duration span) {
    run_all();
    const Monotonic end = clock.monotonic() + span;
    while (!timers.empty() && timers.begin()->first <= end) {
      auto due = timers.extract(timers.begin());
      if (due.key() > clock.monotonic()) {
        clock.advance(std::chrono::ceil<Duration>(due.key() - clock.monotonic()));
      }
      due.mapped()();
      run_all();
    }
    clock.advance(std::chrono::ceil<Duration>(end - clock.monotonic()));
    run_all();
  }

  // CommitSink.
  void submit(Change change, OnCommit done) override {
    if (commit_error) return done(*commit_error);
    const auto& commit = std::get<AgentCommit>(change);
    for (const ItemWrite& write : commit.items) apply(commit.agent, write);
    done(Committed{});
  }
  void apply(AgentKey agent, const ItemWrite& write) {
    const std::tuple key{agent, write.kind, write.key};
    if (!write.value) {
      disk.erase(key);
    } else {
      disk[key] = {write.key, *write.value, "", 0, 0, write.due};
    }
  }

  // Sender.
  void send(Outgoing request, Done done) override {
    sent.push_back({std::move(request), std::move(done)});
  }
  Sent take() {
    Sent first = std::move(sent.front());
    sent.pop_front();
    return first;
  }

  Result<std::optional<Item>> get_item(AgentKey agent, ItemKind kind, const std::string& key) {
    ++reads;
    if (read_error) return *read_error;
    const auto found = disk.find({agent, kind, key});
    if (found == disk.end()) return std::optional<Item>();
    return std::optional<Item>(found->second);
  }
  Result<Page<Item, std::string>> list_rows(AgentKey agent, const std::string& after, int limit) {
    ++reads;
    if (read_error) return *read_error;
    Page<Item, std::string> page;
    for (auto row = disk.upper_bound({agent, ItemKind::kOutbox, after}); row != disk.end(); ++row) {
      if (std::get<0>(row->first) != agent || std::get<1>(row->first) != ItemKind::kOutbox) break;
      if (page.items.size() == static_cast<std::size_t>(limit)) {
        page.next = page.items.back().key;
        break;
      }
      page.items.push_back(row->second);
    }
    return page;
  }

  // A row, on disk and told of.
  std::string put(AgentKey agent, const OutboxRow& row, bool tell = true) {
    const std::string key = ordinal_key(++ordinal);
    disk[{agent, ItemKind::kOutbox, key}] = {key, encode(row), "",
                                             0,   0,           Due{Due::Class::kWork, clock.now()}};
    if (tell) outbox->added(agent, key, row);
    return key;
  }
  OutboxRow effect(std::string key, std::string host = "a") {
    OutboxRow row;
    row.id = key;
    row.destination = "https://" + host + ":443";
    row.effect.key = std::move(key);
    row.effect.url = "https://" + host + "/hook";
    row.effect.body = "{}";
    row.sender = "default/me";
    row.traceparent = "00-t";
    row.created = clock.now();
    return row;
  }

  bool on_disk(AgentKey agent, const std::string& key) const {
    return disk.contains({agent, ItemKind::kOutbox, key});
  }
  std::optional<EffectRow> effect_row(AgentKey agent, const std::string& key) {
    const auto found = disk.find({agent, ItemKind::kEffect, key});
    if (found == disk.end()) return std::nullopt;
    return *decode_effect(found->second.value);
  }
  // What the alarm clockwork does. How many of the rows were not taken.
  int wake_due() {
    int again = 0;
    auto rows = disk;
    for (const auto& [id, item] : rows) {
      if (std::get<1>(id) != ItemKind::kOutbox || item.due->at > clock.now()) continue;
      outbox->wake({item.due->at, std::get<0>(id), ItemKind::kOutbox, item.key},
                   [&](bool not_taken) { again += not_taken; });
    }
    return again;
  }

  struct Delivered {
    AgentId to;
    Trigger message;
    std::function<void(Result<void>)> done;
  };

  oa::test::ManualClock clock;
  OutboxLimits limits;
  std::deque<std::function<void()>> work;
  std::multimap<Monotonic, std::function<void()>> timers;
  std::map<std::tuple<AgentKey, ItemKind, std::string>, Item> disk;
  std::int64_t ordinal = 0;
  int reads = 0;
  std::optional<Error> commit_error;
  std::optional<Error> read_error;
  std::deque<Sent> sent;
  std::vector<Delivered> delivered;
  std::vector<std::pair<AgentKey, Trigger>> events;
  std::string log;
  std::shared_ptr<Outbox> outbox;
};

}  // namespace oa::runtime::test
