// One awake agent: the shell around agent/turn.h. It owns the turn's state, runs the handler on a
// worker, hands the result to the store, and answers callers when the store says that it is on
// disk.
//
// Every event goes through `handle`: under the lock the turn decides, and the values for its
// actions are gathered as effects; without it the effects are done, one at a time and in order, so
// that commits reach the store in the order of their versions. Nothing waits while holding the
// lock.
//
// What an item needs from the disk (its envelope after a restart, an alarm's payload, journalled
// steps, an answer given before) is read on a worker when its turn has come.
//
// Thread-safety: can be used from any thread. Answers are called from a worker or the store's
// writer, or from the caller's own thread when an item is refused at once; they must not block.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/agent/gates.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/agent/turn.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/ids.h"
#include "runtime-pod/metrics.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/storage/writer.h"

namespace oa::runtime {

class Attempt;
class Watchers;

// What leaves an agent after a commit, and what its ticks wait for. Called from any thread; nothing
// of it may block.
struct Outputs {
  // A row of the outbox is on disk.
  std::function<void(AgentKey, const AgentId&, const std::string& key, const OutboxRow&)> outbox;
  // The final state of a row of the outbox, and of its effect, once that is on disk.
  std::function<void(AgentKey, const std::string& key, const std::string& effect,
                     std::function<void(const EffectOutcome&)>)>
      watch;
  std::function<void(AgentKey, std::vector<SocketAction>)> sockets;
  // An event for those who watch the agent. `after`: the newest record of the log before it.
  std::function<void(AgentKey, std::int64_t after, std::string_view event, Json data)> emit;
  // A tick is on disk: with the head after it, and of its commit what the log has.
  std::function<void(AgentKey, const AgentHead&, const AgentCommit&)> committed;
  std::function<void(const AgentId&)> hibernate;
  // The agent's deletion is on disk.
  std::function<void(AgentKey)> removed;
};

// What all actors share. Outlives them.
struct ActorServices {
  const Clock& clock;
  Scheduler& scheduler;
  CommitSink& commits;
  Reader& reader;
  std::function<Handler&(const AgentSpec&)> handler;
  RuntimeMetrics& metrics;
  Ids& ids;
  obs::Logger log;
  std::int64_t epoch = 0;
  Outputs outputs{};
  std::atomic<std::int64_t> awake_bytes{0};  // memory that awake agents hold, about
};

using Answered = std::function<void(Result<TickReport>)>;

// An Idempotency-Key with its scope, and what the request was.
struct ReplayKey {
  std::string key;
  std::string fingerprint;
};

// One item on its way in that has no row: somebody waits for its answer.
struct Submission {
  QueueItem::Kind kind = QueueItem::Kind::kTick;
  Trigger trigger;
  std::vector<ItemWrite> items;  // of kWrite
  std::optional<ReplayKey> replay;
  Monotonic deadline;
  std::optional<InputGate::Permit> permit;
  Answered answered;
  Ticket ticket = 0;  // given with the acceptance: of the item that it is answered by
};

// One that has a row before anybody is told that it was taken.
struct Deposit {
  Trigger trigger;
  std::optional<JobRow> job;     // which it is the payload of
  std::vector<ItemWrite> items;  // that go with it
  bool is_ordered = false;       // its seq must be above the sender's last
  bool is_internal = false;      // the runtime's own: taken even when the agent is suspended
  bool is_again = false;         // it was taken before and is over: no repeat, but another try
  std::optional<InputGate::Permit> permit;
  std::function<void(Result<void>)> taken;  // on disk, or refused
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
  // Else what is given is taken, and answered sooner or later.
  bool submit(Submission& submission);
  bool deposit(Deposit& deposit);
  // An alarm or a schedule is due. `done(again)`: it is dealt with, or is to be fired again later.
  bool fire(const DueRow& row, const std::function<void(bool again)>& done);
  // Rows that change nothing which a tick has read: committed beside whatever runs.
  bool append(std::vector<ItemWrite> items, std::function<void(Result<Committed>)> done);

  // A row of kInbox that was found on disk, or whose decision has come. False: as above.
  bool resume(const std::string& key, InboxRow row);

  // Ends an item that is not over; `answered` once that is on disk. CONFLICT if it is committing,
  // NOT_FOUND if it is not here.
  void cancel(const std::string& envelope_id, const Error& why, Answered answered);
  // Its caller has gone: an item without a row is ended.
  void abandon(Ticket ticket);
  // Its caller waits no longer: the item gets a row. `done` with its envelope's id, by which its
  // outcome can be found; nothing if it is over or about to be, and is answered.
  void persist(Ticket ticket, std::function<void(std::optional<Result<std::string>>)> done);

  // Takes nothing more, if nothing waits or runs; false if something does.
  bool retire();

  // A new manifest.
  void update(const AgentRow& row, const AgentSpec& spec);

  // Answers everything that is not yet committing with `why`, and takes nothing more.
  void discard(const Error& why);

  ActorStatus status() const;
  AgentRow row() const;
  std::string uid() const;
  std::shared_ptr<const AgentSpec> spec() const;
  std::shared_ptr<const Json> state() const;  // null before the first commit that set one
  // The phase of an envelope's item, and whether it is the running one's.
  Phase phase(const std::string& envelope_id) const;

 private:
  friend class Attempt;
  using Effect = std::function<void()>;

  // Where an item's envelope is on disk.
  struct Source {
    enum class Kind { kNone, kInbox, kAlarm, kSchedule };
    Kind kind = Kind::kNone;
    std::string key;
    std::int64_t number = 0;  // the row's, of alarms and schedules
    Time at{};                // when it was due, of alarms and schedules
  };

  // An item that was accepted, with what its last attempt wants to commit.
  struct Work {
    QueueItem::Kind kind = QueueItem::Kind::kTick;
    Source source;
    std::shared_ptr<const Trigger> trigger;  // of alarms and schedules: with what has been read
    std::vector<ItemWrite> items;            // of kWrite
    std::optional<ReplayKey> replay;
    std::optional<JobRow> job;
    ScheduleRow schedule;  // of kSchedule: as it is to be after this fire
    std::optional<InputGate::Permit> permit;
    std::vector<Answered> callers;
    std::function<void(bool again)> fired;
    Time accepted;
    bool must_load = false;          // something of it is on disk only, and has not been read
    bool is_resumed = false;         // found on disk: an earlier process may have journalled steps
    bool has_journal = false;        // something is journalled, or may be
    std::vector<std::string> steps;  // keys of its rows
    std::vector<std::pair<std::string, EffectRequest>> compensations;  // in order of key
    // Of the last attempt.
    Monotonic started;
    std::shared_ptr<Attempt> attempt;
    WriteSet writes;
    Usage usage;
    Json events = Json::array();
    std::shared_ptr<const Json> new_state;
    std::size_t new_state_bytes = 0;
    TickReport report;
    bool decided = false;         // the decision came before it was parked
    bool is_over = false;         // what its row says about it is no more
    bool answers_replay = false;  // `report` was read from disk
    std::vector<std::pair<std::string, OutboxRow>> outgoing;  // of the commit
    std::string next_inbox;                                   // of a job that goes on: its next row
  };

  // What the run of an item needs from the disk.
  struct Loaded {
    bool is_gone = false;  // its row is
    std::shared_ptr<const Trigger> trigger;
    std::int64_t number = 0;
    std::optional<ScheduleRow> schedule;  // of kSchedule: as it is to be after this fire
    bool skips = false;                   // of kSchedule: there is to be no tick
    std::optional<JobRow> job;
    std::optional<ReplayRow> replay;
    bool replay_waits = false;  // the run that it is of waits for somebody
    std::vector<std::string> steps;
    std::vector<std::pair<std::string, EffectRequest>> compensations;
  };

  void handle(Event event);
  void run_effects(std::unique_lock<std::mutex>& lock);
  void handler_done(Ticket ticket, Run run, TickOutcome outcome);
  void commit_done(Ticket ticket, const std::shared_ptr<const AgentCommit>& commit,
                   Result<Committed> result);
  void time_passed(Monotonic armed);
  void load_then_run(Ticket ticket, Run run);
  struct LoadRequest {
    Source source;
    std::shared_ptr<const Trigger> trigger;
    std::string replay;
    std::string job;
    bool is_resumed = false;
  };
  Result<Loaded> load(const LoadRequest& request) const;
  Result<void> load_source(const Source& source, Loaded& loaded) const;
  Result<void> load_journal(const std::string& envelope, Loaded& loaded) const;
  void cancel_resumed(const LoadRequest& request, const std::string& envelope_id, const Error& why,
                      const Answered& answered);
  void deposited(const std::shared_ptr<Deposit>& deposit, const std::string& key,
                 Result<Committed> result);

  // All below: with mutex_ held.
  void advance(Event event);
  Effect effect_of(RunHandler action);
  Effect effect_of(GiveUp action);
  Effect effect_of(Commit action);
  Effect effect_of(Undo action);
  Effect effect_of(AttemptFailed action);
  Effect effect_of(Answer action);
  Effect effect_of(Park action);
  Effect arm_timer();
  bool is_running(Ticket ticket, Run run) const;
  void count_start(Ticket ticket, Run run);
  std::optional<Handled> take_loaded(Ticket ticket, Run run, Result<Loaded> loaded);
  Handled take_replay(Handled event, Loaded& loaded);
  InboxRow inbox_row(const Work& work) const;
  void forget_replay(const Work& work, Ticket ticket);
  TickInput make_input(const RunHandler& action, const Work& work) const;
  void flush_settled();
  void apply_spec(const AgentSpec& spec);
  void account_memory();
  Ticket add_work(Work work);
  std::string lane_of(const Trigger& trigger) const;
  std::optional<Error> refusal() const;
  Result<void> make_place();
  AgentCommit make_commit(Work& work, const QueueItem& item);
  void add_success(Work& work, AgentCommit& commit, Time now);
  void add_failure(Work& work, const QueueItem& item, AgentCommit& commit, Time now);
  void add_job(Work& work, const std::optional<Error>& error, AgentCommit& commit, Time now);
  void add_replay(const Work& work, const std::optional<Error>& error, AgentCommit& commit,
                  Time now) const;
  void add_journal_end(Work& work, bool failed, AgentCommit& commit, Time now);
  void add_dead_letter(const Work& work, const QueueItem& item, AgentCommit& commit, Time now);
  void give_row(Work& work, std::vector<ItemWrite>& items, const std::string& approval);
  static ItemWrite end_of_source(const Work& work, bool ran);

  // For Attempt. `done` once every commit before this run's own is on disk; an error if the run is
  // over by then.
  void settle(Ticket ticket, Run run, std::function<void(Result<void>)> done);
  // Rows of this run, committed now; its envelope gets a row with them.
  void journal(Ticket ticket, Run run, std::vector<ItemWrite> items, const std::string& approval,
               std::function<void(Result<void>)> done);

  ActorServices& services_;
  const AgentId id_;
  const AgentKey key_;

  mutable std::mutex mutex_;
  // By mutex_, all of them.
  AgentRow row_;
  std::shared_ptr<const AgentSpec> spec_;
  std::string revision_;               // of the handler: journalled steps hold for one
  AgentHead head_;                     // of the last commit
  std::shared_ptr<const Json> state_;  // of the last commit
  std::size_t state_bytes_ = 0;
  // As they will be when what is committing is on disk.
  std::int64_t next_version_ = 1;
  std::int64_t last_ordinal_ = 0;
  DayUse next_use_;
  std::shared_ptr<const Json> next_state_;
  std::int64_t accounted_ = 0;  // what this actor has in services_.awake_bytes
  TurnState turn_;
  TurnLimits limits_;
  bool retired_ = false;
  Ticket last_ticket_ = 0;
  std::map<Ticket, Work> works_;
  std::unordered_map<std::string, Ticket> by_envelope_;  // of works with a row
  std::map<std::string, Ticket> by_replay_;              // of works that are not over
  std::size_t fired_ = 0;                                // works that the timekeeper waits for
  std::size_t arriving_ = 0;                             // deposits that are being committed
  std::size_t side_commits_ = 0;                         // commits without a version under way
  struct Settling {
    Ticket ticket;
    Run run;
    std::function<void(Result<void>)> done;
  };
  std::vector<Settling> settling_;
  std::deque<Effect> effects_;
  bool is_running_effects_ = false;
  Monotonic armed_ = Monotonic::max();  // the earliest timer that is on its way
};

}  // namespace oa::runtime
