// One awake agent: the shell around agent/turn.h. It owns the turn's state, runs the handler on a
// worker, hands the result to the store, and answers callers when the store says that it is on
// disk.
//
// Every event goes through `handle`: under the lock the turn decides and the values for its actions
// are gathered, after it the actions are done. Nothing waits while holding the lock.
//
// Thread-safety: can be used from any thread. Answers are called from a worker or the store's
// writer, or from the caller's own thread when an item is refused at once; they must not block.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/agent/gates.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/agent/turn.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/ids.h"
#include "runtime-pod/metrics.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/storage/writer.h"

namespace oa::runtime {

// What all actors share. Outlives them.
struct ActorServices {
  const Clock& clock;
  Scheduler& scheduler;
  CommitSink& commits;
  Handler& handler;
  RuntimeMetrics& metrics;
  Ids& ids;
  obs::Logger log;
  std::int64_t epoch = 0;
  std::size_t queue_capacity = 1000;
  std::atomic<std::int64_t> awake_bytes{0};  // memory that awake agents hold, about
};

// What a caller is told once its item is on disk.
struct TickReport {
  std::int64_t tick = 0;
  std::string envelope_id;
  Duration duration{};  // of the attempt that was committed
  std::int64_t storage_bytes = 0;
  Reply reply;
  std::int64_t version = 0;  // of the commit
  bool replaced = false;     // by the first kv write
};

using Answered = std::function<void(Result<TickReport>)>;

// One item on its way in.
struct Submission {
  Item::Kind kind = Item::Kind::kTick;
  Trigger trigger;
  std::vector<KvWrite> kv;  // of kWrite
  Monotonic deadline;
  InputGate::Permit permit;
  Answered answered;
};

struct ActorStatus {
  AgentHead head;
  std::size_t waiting = 0;
  bool running = false;
};

class Actor : public std::enable_shared_from_this<Actor> {
 public:
  // `state_bytes`: the size of the state's text.
  Actor(ActorServices& services, AgentRow row, AgentHead head, std::shared_ptr<const Json> state,
        std::size_t state_bytes, const AgentSpec& spec);
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  const AgentId& id() const { return id_; }
  AgentKey key() const { return key_; }

  // False: this actor has retired and nothing was taken; ask the host for the agent's next one.
  // Else the submission is taken, and answered sooner or later.
  bool submit(Submission& submission);

  // Takes nothing more, if nothing waits or runs; false if something does.
  bool retire();

  // A new manifest.
  void update(const AgentRow& row, const AgentSpec& spec);

  // Answers everything that is not yet committing with `why`, and takes nothing more.
  void discard(const Error& why);

  ActorStatus status() const;
  AgentRow row() const;
  std::string uid() const;
  Duration max_tick_duration() const;
  AgentSpec spec() const;
  std::shared_ptr<const Json> state() const;  // null before the first commit that set one

 private:
  // An item that was accepted, with what its last attempt wants to commit.
  struct Work {
    Item::Kind kind = Item::Kind::kTick;
    std::shared_ptr<const Trigger> trigger;
    std::optional<InputGate::Permit> permit;
    Answered answered;
    int attempt = 0;  // of the handler's last start
    Monotonic started;
    WriteSet writes;
    std::shared_ptr<const Json> new_state;
    std::size_t new_state_bytes = 0;
    TickReport report;
  };
  using Effect = std::function<void()>;

  void handle(Event event);
  void handler_done(Ticket ticket, int attempt, TickOutcome outcome);
  void commit_done(Ticket ticket, Result<Committed> result);
  void time_passed(Monotonic armed);

  // All below: with mutex_ held.
  std::vector<Effect> advance(Event event);
  Effect effect_of(RunHandler action);
  Effect effect_of(Commit action);
  Effect effect_of(AttemptFailed action);
  Effect effect_of(Answer action);
  Effect arm_timer();
  void apply_spec(const AgentSpec& spec);
  void account_memory();

  ActorServices& services_;
  const AgentId id_;
  const AgentKey key_;

  mutable std::mutex mutex_;
  // By mutex_, all of them.
  AgentRow row_;
  AgentSpec spec_;
  AgentHead head_;                     // of the last commit
  std::shared_ptr<const Json> state_;  // of the last commit
  std::size_t state_bytes_ = 0;
  std::int64_t accounted_ = 0;  // what this actor has in services_.awake_bytes
  TurnState turn_;
  TurnLimits limits_;
  bool retired_ = false;
  Ticket last_ticket_ = 0;
  std::unordered_map<Ticket, Work> works_;
  Monotonic armed_ = Monotonic::max();  // the earliest timer that is on its way
};

}  // namespace oa::runtime
