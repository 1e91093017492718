// Delivers what agents have left in their outbox: effects and callbacks over HTTP, messages to
// other agents. At least once, with the same idempotency key each time, in the order of the commits
// for each destination of an agent (agent/outbox_plan.h).
//
// Every outcome is a commit: delivered or given up, the row goes and, of an effect, its final state
// is kept; to be tried again, the row stays and says when. If such a commit fails, it is made
// again, and nothing is sent meanwhile. A row is given up when it is refused, or when it fails
// after its maximum age; its agent is told by an event.
//
// Thread-safety: can be used from any thread, but `stop` not from within a callback.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/agent/outbox_plan.h"
#include "runtime-pod/agent/outbox_request.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/writer.h"

namespace oa::runtime {

// All of it outlives `Outbox::stop`.
struct OutboxServices {
  const Clock& clock;
  Scheduler& scheduler;
  CommitSink& commits;
  Sender& sender;
  // As the Reader has them.
  std::function<Result<std::optional<Item>>(AgentKey, ItemKind, const std::string& key)> get_item;
  std::function<Result<Page<Item, std::string>>(AgentKey, const std::string& after, int limit)>
      list_rows;  // of kOutbox, with values
  // Gives a message to an agent of this process; the result once it is on disk. May be repeated
  // with the same envelope id.
  std::function<void(const AgentId& to, Trigger message, std::function<void(Result<void>)>)>
      deliver;
  // Adds the trigger to the agent's inbox, and makes the commit with it.
  std::function<void(AgentKey, Trigger, AgentCommit, OnCommit)> give_event;
  // The value of a secret that signs callbacks.
  std::function<Result<std::string>(const std::string& name)> secret;
  std::function<double()> jitter;  // in [0, 1)
  obs::Logger log;
  std::int64_t epoch = 0;
};

class Outbox : public std::enable_shared_from_this<Outbox> {
 public:
  // Once, when the final state is on disk; on any thread, must not block. Not at all if the agent
  // is deleted or the outbox is stopped before.
  using Watcher = std::function<void(const EffectOutcome&)>;

  static std::shared_ptr<Outbox> make(OutboxServices services, OutboxLimits limits = {});
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // A row of kOutbox is due. `done(false)`: from now on the outbox looks after it; `done(true)`: it
  // is to be told again later.
  void wake(const DueRow& row, const std::function<void(bool again)>& done);
  // A row is on disk. To be told right after its commit, which spares reading it; in order of the
  // commits, or a later row may overtake it.
  void added(AgentKey agent, const std::string& key, const OutboxRow& row);
  // Of a row of kOutbox and its effect's key, also if it is over already.
  void watch(AgentKey agent, const std::string& key, const std::string& effect, Watcher watcher);

  // What is on its way is abandoned, and its rows stay. Waits for callbacks that are running.
  void stop();

 private:
  struct Ending;

  Outbox(OutboxServices services, OutboxLimits limits)
      : services_(std::move(services)), plan_(limits) {}

  template <typename Work>
  static void enter(const std::weak_ptr<Outbox>& weak, Work work);

  void pump_soon();
  void pump();
  void arm();
  void read(const OutboxRead& read);
  void send(const OutboxId& id, OutboxRow row);
  void send_out(const OutboxId& id, OutboxRow row);
  void attempted(const OutboxId& id, OutboxRow row, Attempted result);
  void commit(const std::shared_ptr<const Ending>& ending);
  void committed(const std::shared_ptr<const Ending>& ending, const Result<Committed>& result);
  void look_at_effect(const OutboxId& id, const std::string& effect);
  void tell(const OutboxId& id, const EffectOutcome& outcome);

  const OutboxServices services_;

  std::mutex mutex_;
  OutboxPlan plan_;                                    // by mutex_, as all below
  std::map<OutboxId, std::vector<Watcher>> watchers_;  // of rows that are not over
  bool pump_posted_ = false;
  std::optional<Monotonic> armed_;  // the earliest timer that is set
  bool stopped_ = false;
  int active_ = 0;  // callbacks that are running
  std::condition_variable idle_;
};

}  // namespace oa::runtime
