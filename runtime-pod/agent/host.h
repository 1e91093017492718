// All agents of a runtime: found by name, woken when they are needed, let go when memory is short,
// created, replaced and deleted.
//
// An awake agent is an Actor in a map; a dormant one costs its rows only. There is never a second
// Actor of an agent: loading, replacing and deleting one agent take turns, and an actor is let go
// only when it has retired.
//
// Thread-safety: can be used from any thread. Callbacks are called from a worker, the store's
// writer, or the caller's own thread; they must not block.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/agent.h"
#include "core/result.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/gates.h"
#include "runtime-pod/storage/reader.h"

namespace oa::runtime {

struct HostOptions {
  std::int64_t max_awake_bytes = 64 * 1024 * 1024;
};

// What a client sends to an agent, and waits for.
struct Delivery {
  AgentId agent;
  QueueItem::Kind kind = QueueItem::Kind::kTick;
  Trigger trigger;
  std::vector<ItemWrite> items{};  // of kWrite
  std::optional<ReplayKey> replay{};
  std::size_t bytes = 0;  // of the request: counted against what may wait
  Duration patience{};    // how long the caller waits; at least the agent's maxTickDuration
  // With the acceptance: where to say that the caller has gone, or waits no longer.
  std::function<void(std::shared_ptr<Actor>, Ticket)> accepted{};
};

// What a client sends to an agent, and is told when it is safe.
struct Dispatch {
  AgentId agent;
  Trigger trigger;
  std::optional<JobRow> job{};
  std::vector<ItemWrite> items{};
  bool is_ordered = false;  // as in Deposit, and so is the next
  bool is_again = false;
  std::size_t bytes = 0;
};

enum class PutMode {
  kCreate,  // CONFLICT, reason AlreadyExists, if the agent exists with another manifest
  kApply,
};

struct PutResult {
  AgentRow row;
  bool created = false;
};

class Host {
 public:
  // Everything but the options must outlive the host.
  Host(HostOptions options, ActorServices& services, InputGate& gate, Reader& reader);

  using Found = std::function<void(Result<std::shared_ptr<Actor>>)>;
  // The agent's actor, loaded if need be. NOT_FOUND if there is no such agent.
  void find(const AgentId& id, Found found);

  void find(AgentKey key, Found found);

  // Through the input gate and into the agent's queue.
  void deliver(Delivery delivery, Answered answered);
  // Through the input gate and into the agent's inbox. CONFLICT, reason Duplicate, for an envelope
  // that was taken before.
  void dispatch(Dispatch dispatch, std::function<void(Result<void>)> taken);
  // Rows that change nothing which a tick has read.
  void append(const AgentId& id, std::vector<ItemWrite> items,
              std::function<void(Result<Committed>)> done);
  // A row of kInbox whose time has come before the agent's next load: of a decision.
  void resume(const AgentId& id, const std::string& key, const InboxRow& row,
              std::function<void(Result<void>)> done);
  // The runtime's own envelope, with what else is committed with it; not bounded by the gate.
  void tell(AgentKey agent, Trigger trigger, std::vector<ItemWrite> items,
            std::function<void(Result<void>)> taken);
  // A row of an agent is due: its alarm or schedule runs, or its inbox is looked at.
  void fire(const DueRow& row, std::function<void(bool again)> done);

  // Lets the agent go from memory. False: something of it waits or runs.
  bool release(const AgentId& id);

  // An empty `uid` keeps an existing agent's, and makes one up for a new agent.
  void put(const Agent& agent, PutMode mode, std::string uid,
           std::function<void(Result<PutResult>)> done);
  // `done` with the row of the agent that is there now. What the store says of an AgentRestore; an
  // agent that is there already bounds it by its own spec.config.maxStorageBytes.
  void restore(AgentRestore restore, std::function<void(Result<AgentRow>)> done);
  void remove(const AgentId& id, std::function<void(Result<void>)> done);

  // Answers everything that is not yet committing with `why`.
  void discard(const Error& why);

 private:
  using Awake = std::list<std::shared_ptr<Actor>>;
  using Work = std::function<void()>;

  std::shared_ptr<Actor> awake(const AgentId& id);
  std::shared_ptr<Actor> awake(AgentKey key);
  Result<std::shared_ptr<Actor>> load(const AgentId& id);
  Result<void> load_inbox(Actor& actor);
  Result<bool> waits_for_decision(AgentKey agent, const std::string& approval);
  void keep(const std::shared_ptr<Actor>& actor);
  void let_go(const AgentId& id);
  void make_room();
  void exclusively(const AgentId& id, Work work);
  void finish(const AgentId& id);
  void submit(const std::shared_ptr<Submission>& submission,
              const std::shared_ptr<const Delivery>& delivery);
  template <typename Agent>
  void deposit(const std::shared_ptr<Deposit>& deposit, const Agent& agent);
  Result<std::vector<ItemWrite>> schedule_rows(const Agent& agent, AgentKey existing);
  void put_alone(const Agent& agent, PutMode mode, std::string uid,
                 const std::function<void(Result<PutResult>)>& done);
  void restore_alone(AgentRestore& restore, const std::function<void(Result<AgentRow>)>& done);
  void remove_alone(const AgentId& id, const std::function<void(Result<void>)>& done);

  const HostOptions options_;
  ActorServices& services_;
  InputGate& gate_;
  Reader& reader_;

  std::mutex mutex_;
  Awake recent_;                                          // by mutex_; the last used first
  std::map<AgentId, Awake::iterator> by_id_;              // by mutex_
  std::unordered_map<AgentKey, Awake::iterator> by_key_;  // by mutex_; the same
  std::map<AgentId, std::deque<Work>> exclusive_;         // by mutex_; ids with work in progress
};

}  // namespace oa::runtime
