// The one thread that writes to a shard, and the only connection that writes and checkpoints.
//
// Changes are committed in the order in which they were handed in. What is waiting goes into one
// transaction together, up to 1 MiB or 2 ms of work; a change that finds the writer idle is
// committed at once.
//
// - After an error the transaction is rolled back, no change of the batch has an outcome, and each
//   runs again in a transaction of its own.
// - When it cannot be known whether a COMMIT took place, or another process has raised the epoch,
//   the shard closes for good: nothing of that batch is ever answered (I6), and what comes later is
//   refused.
// - What does not fit on the disk is tried again when something was given up for it (`make_room`).
// - The write-ahead log is copied into the database and begun anew when it is long, and when nobody
//   has work. At its limit readers are interrupted; if even that does not help, somebody else holds
//   it, and `log_full` shuts the intake until it does. What was taken in is committed all the same.
// - `done` is called only after the commit, in commit order, on the writer's thread: this is the
//   gate behind which every output waits (I2). It must not block.
//
// Thread-safety: `submit` and `stop` can be called from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/storage/sweeper.h"

namespace oa::runtime {

using OnCommit = std::function<void(Result<Committed>)>;

// Where finished ticks go.
class CommitSink {
 public:
  virtual ~CommitSink() = default;
  virtual void submit(Change change, OnCommit done) = 0;
};

struct WriterHooks {
  std::function<void(const Error& why)> closed;  // for good
  std::function<void(const Error& why)> full;    // a change did not fit on the disk
  std::function<void(std::size_t changes, Duration took)> committed;
  // The rows of class kWork that a commit wrote, before the `done`s of that commit.
  std::function<void(std::span<const DueRow> rows)> due;
  // The write-ahead log has reached its limit (an error), or is short again (none).
  std::function<void(Result<void> verdict)> log_full;
  std::function<void()> interrupt_readers;
  // Gives up something that takes room on the full disk. False: there is nothing.
  std::function<bool()> make_room;
  std::function<void()> take_room_back;  // from time to time, when nobody has work
};

struct WriterLimits {
  std::size_t batch_bytes = 1024 * 1024;
  Duration batch_time = std::chrono::milliseconds(2);
  int checkpoint_frames = 64 * 1024 * 1024 / 4096;
  int log_frames = 256 * 1024 * 1024 / 4096;
  int sweep_commits = 256;  // how often rows are swept while there is always work
  std::chrono::milliseconds idle_before_checkpoint{1000};
};

class Writer : public CommitSink {
 public:
  // `epoch`: this process's. `clock` must outlive the writer.
  static Result<std::unique_ptr<Writer>> start(sqlite::Database db, std::int64_t epoch, Seal seal,
                                               WriterLimits limits, WriterHooks hooks,
                                               const Clock& clock, obs::Logger log);
  ~Writer() override;

  void submit(Change change, OnCommit done) override;

  // Commits what is waiting, empties the write-ahead log, and joins. Later changes are refused.
  void stop();

 private:
  struct Pending {
    Change change;
    OnCommit done;
  };
  // How a transaction ended.
  struct Transaction {
    enum class Kind { kCommitted, kRolledBack, kUnknown, kFenced };
    Kind kind = Kind::kCommitted;
    Error error;
    std::vector<Applied> applied;  // of the changes that were taken into it, from the first on
  };

  Writer(sqlite::Database db, std::int64_t epoch, WriterLimits limits, WriterHooks hooks,
         const Clock& clock, obs::Logger log);
  void run();
  bool wait_for_work(std::unique_lock<std::mutex>& lock);
  void commit_batch();
  std::vector<Pending> take_batch();
  Transaction transact(std::span<Pending> batch);
  Result<void> begin(Transaction& transaction);
  Transaction roll_back(Error error, std::vector<Applied> applied);
  void finish(std::vector<Pending>& batch, Transaction transaction);
  void run_alone(Pending& pending);
  void tell_due(const Transaction& transaction);
  bool make_room(const Error& error);
  void deliver(Pending& pending, Applied applied);
  void close(const Error& why);
  void housekeeping_failed(const Error& error);
  void checkpoint_when_long();
  bool empty_log();
  void idle_work();
  bool sweep();

  sqlite::Database db_;
  std::optional<Changes> changes_;
  std::optional<Sweeper> sweeper_;
  const std::int64_t epoch_;
  const WriterLimits limits_;
  const WriterHooks hooks_;
  const Clock& clock_;
  const obs::Logger log_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Pending> queue_;  // by mutex_
  bool stopping_ = false;      // by mutex_

  // Of the writer's thread.
  std::deque<Pending> taken_;        // from the queue, not yet in a batch
  std::optional<Error> closed_;      // why the shard is closed
  std::vector<Pending> unanswered_;  // of an unknown outcome: kept, so that nobody is answered
  int next_checkpoint_ = 0;          // at this many pages in the log
  bool log_is_full_ = false;         // as `log_full` was told
  int commits_since_sweep_ = 0;
  bool idle_work_due_ = true;  // something was written since the last checkpoint
  std::thread thread_;
};

}  // namespace oa::runtime
