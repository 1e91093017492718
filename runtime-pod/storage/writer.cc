#include "runtime-pod/storage/writer.h"

#include <utility>

namespace oa::runtime {
namespace {

// Whether a failed COMMIT has certainly not taken place. SQLite writes the record that makes a
// transaction valid last, so a write that did not fit leaves none; after a failed sync or write of
// any other kind only the disk knows.
bool surely_not_committed(const Error& error) {
  return error.reason == "StorageFull" || error.reason == "StorageBusy";
}

bool disk_is_broken(const Error& error) {
  return error.reason == "StorageFailed" || error.reason == "Corrupt";
}

Error closed_error(const Error& why) {
  return make_error(Code::kUnavailable, "StorageClosed",
                    "the database is closed until the process is restarted: " + why.detail);
}

}  // namespace

Writer::Writer(sqlite::Database db, std::int64_t epoch, WriterLimits limits, WriterHooks hooks,
               const Clock& clock, obs::Logger log)
    : db_(std::move(db)),
      epoch_(epoch),
      limits_(limits),
      hooks_(std::move(hooks)),
      clock_(clock),
      log_(std::move(log)),
      next_checkpoint_(limits.checkpoint_frames) {}

Result<std::unique_ptr<Writer>> Writer::start(sqlite::Database db, std::int64_t epoch, Seal seal,
                                              WriterLimits limits, WriterHooks hooks,
                                              const Clock& clock, obs::Logger log) {
  std::unique_ptr<Writer> writer(
      new Writer(std::move(db), epoch, limits, std::move(hooks), clock, std::move(log)));
  auto changes = Changes::prepare(writer->db_, std::move(seal));
  if (!changes) return changes.error();
  writer->changes_ = std::move(*changes);
  auto sweeper = Sweeper::prepare(writer->db_);
  if (!sweeper) return sweeper.error();
  writer->sweeper_ = std::move(*sweeper);
  writer->thread_ = std::thread(&Writer::run, writer.get());
  return writer;
}

Writer::~Writer() { stop(); }

void Writer::submit(Change change, OnCommit done) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      queue_.push_back({std::move(change), std::move(done)});
      done = nullptr;
    }
  }
  if (done) {
    done(make_error(Code::kUnavailable, "Stopping", "the runtime is stopping"));
    return;
  }
  changed_.notify_one();
}

void Writer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Writer::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (taken_.empty() && queue_.empty()) {
        if (stopping_) break;
        if (!wait_for_work(lock)) {
          lock.unlock();
          idle_work();
        }
        continue;
      }
    }
    commit_batch();
  }
  if (!closed_) {
    if (auto done = db_.checkpoint_truncate(); !done) {
      log_.warn("the write-ahead log could not be emptied", {{"error", done.error()}});
    }
  }
}

// False: nothing came for a while, and there is idle work to do.
bool Writer::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto something = [this] { return !queue_.empty() || stopping_; };
  if (!idle_work_due_) {
    changed_.wait(lock, something);
    return true;
  }
  return changed_.wait_for(lock, limits_.idle_before_checkpoint, something);
}

std::vector<Writer::Pending> Writer::take_batch() {
  if (taken_.empty()) {
    const std::lock_guard lock(mutex_);
    taken_.swap(queue_);
  }
  std::vector<Pending> batch;
  std::size_t bytes = 0;
  while (!taken_.empty() && (batch.empty() || bytes < limits_.batch_bytes)) {
    bytes += weight(taken_.front().change);
    batch.push_back(std::move(taken_.front()));
    taken_.pop_front();
  }
  return batch;
}

void Writer::commit_batch() {
  std::vector<Pending> batch = take_batch();
  if (closed_) {
    for (Pending& pending : batch) pending.done(closed_error(*closed_));
    return;
  }
  idle_work_due_ = true;
  Transaction transaction = transact(batch);
  // What was over the time bound goes into the next batch, ahead of everything else.
  while (batch.size() > transaction.applied.size() && batch.size() > 1) {
    taken_.push_front(std::move(batch.back()));
    batch.pop_back();
  }
  finish(batch, std::move(transaction));
  commits_since_sweep_ += static_cast<int>(batch.size());
  if (closed_) return;
  if (commits_since_sweep_ >= limits_.sweep_commits) sweep();
  if (!closed_) checkpoint_when_long();
}

Result<void> Writer::begin(Transaction& transaction) {
  if (auto done = db_.execute("BEGIN IMMEDIATE"); !done) return done;
  const auto epoch = changes_->epoch();
  if (!epoch) return epoch.error();
  if (*epoch != epoch_) {
    transaction.kind = Transaction::Kind::kFenced;
    return make_error(Code::kUnavailable, "Fenced",
                      "the database must be at epoch " + std::to_string(epoch_) + " but is at " +
                          std::to_string(*epoch) + ": another process has taken it over");
  }
  return {};
}

// Runs the changes from the first on, until the time bound, in one transaction.
Writer::Transaction Writer::transact(std::span<Pending> batch) {
  Transaction transaction;
  const Monotonic started = clock_.monotonic();
  if (auto done = begin(transaction); !done) {
    const bool fenced = transaction.kind == Transaction::Kind::kFenced;
    transaction = roll_back(done.error(), std::vector<Applied>(batch.size()));
    if (fenced) transaction.kind = Transaction::Kind::kFenced;
    return transaction;
  }
  for (const Pending& pending : batch) {
    transaction.applied.push_back(changes_->apply(pending.change));
    if (transaction.applied.back().kind == Applied::Kind::kFailed) {
      Error error = transaction.applied.back().error;
      return roll_back(std::move(error), std::move(transaction.applied));
    }
    if (clock_.monotonic() - started >= limits_.batch_time) break;
  }
  if (auto done = db_.execute("COMMIT"); !done) {
    if (surely_not_committed(done.error())) {
      return roll_back(done.error(), std::move(transaction.applied));
    }
    transaction.kind = Transaction::Kind::kUnknown;
    transaction.error = done.error();
    return transaction;
  }
  if (hooks_.committed) {
    hooks_.committed(transaction.applied.size(),
                     std::chrono::duration_cast<Duration>(clock_.monotonic() - started));
  }
  return transaction;
}

// SQLite may have rolled back by itself already; `autocommit` tells. A transaction that will not
// end leaves the connection unusable, which is as bad as an unknown outcome, although nothing of it
// was committed.
Writer::Transaction Writer::roll_back(Error error, std::vector<Applied> applied) {
  if (!db_.autocommit()) static_cast<void>(db_.execute("ROLLBACK"));
  const auto kind = db_.autocommit() ? Transaction::Kind::kRolledBack : Transaction::Kind::kUnknown;
  return {kind, std::move(error), std::move(applied)};
}

void Writer::finish(std::vector<Pending>& batch, Transaction transaction) {
  switch (transaction.kind) {
    case Transaction::Kind::kCommitted:
      tell_due(transaction);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        deliver(batch[i], std::move(transaction.applied[i]));
      }
      return;
    case Transaction::Kind::kRolledBack:
      if (batch.size() > 1) {
        for (Pending& pending : batch) run_alone(pending);
        return;
      }
      if (make_room(transaction.error)) {
        finish(batch, transact(batch));
        return;
      }
      deliver(batch.front(), {Applied::Kind::kFailed, {}, {}, transaction.error});
      return;
    case Transaction::Kind::kUnknown:
      for (Pending& pending : batch) unanswered_.push_back(std::move(pending));
      close(transaction.error);
      return;
    case Transaction::Kind::kFenced:
      close(transaction.error);
      for (Pending& pending : batch) pending.done(closed_error(transaction.error));
      return;
  }
}

void Writer::tell_due(const Transaction& transaction) {
  if (!hooks_.due) return;
  std::vector<DueRow> rows;
  for (const Applied& applied : transaction.applied) {
    rows.insert(rows.end(), applied.due.begin(), applied.due.end());
  }
  if (!rows.empty()) hooks_.due(rows);
}

// True: what has failed is worth another try. Whoever takes work in is told at once, for what is
// given up is meant for work that was taken in.
bool Writer::make_room(const Error& error) {
  if (error.reason != "StorageFull" || !hooks_.make_room || !hooks_.make_room()) return false;
  log_.warn("the disk is full: its reserve was given up to finish what was taken in; make room",
            {{"error", error}});
  if (hooks_.full) hooks_.full(error);
  return true;
}

void Writer::run_alone(Pending& pending) {
  if (closed_) {
    pending.done(closed_error(*closed_));
    return;
  }
  std::vector<Pending> alone;
  alone.push_back(std::move(pending));
  Transaction transaction = transact(alone);
  finish(alone, std::move(transaction));
}

void Writer::deliver(Pending& pending, Applied applied) {
  if (applied.kind == Applied::Kind::kWritten) {
    pending.done(std::move(applied.committed));
    return;
  }
  if (applied.kind == Applied::Kind::kFailed) {
    if (applied.error.reason == "StorageFull" && hooks_.full) hooks_.full(applied.error);
    if (disk_is_broken(applied.error)) close(applied.error);
  }
  pending.done(std::move(applied.error));
}

void Writer::close(const Error& why) {
  if (closed_) return;
  closed_ = why;
  log_.error(
      "the database is closed: check the disk, then restart the process; what was "
      "acknowledged is safe, and what was not is decided when the database is opened again",
      {{"error", why}});
  if (hooks_.closed) hooks_.closed(closed_error(why));
}

// Work that nobody waits for has failed. Nothing is lost by that, but a disk that fails once is not
// trusted with the next commit.
void Writer::housekeeping_failed(const Error& error) {
  log_.warn("housekeeping of the database failed", {{"error", error}});
  if (disk_is_broken(error)) close(error);
  if (error.reason == "StorageFull" && hooks_.full) hooks_.full(error);
}

void Writer::checkpoint_when_long() {
  const int frames = db_.wal_frames();
  if (frames < next_checkpoint_) return;
  if (frames >= limits_.log_frames) {
    if (hooks_.interrupt_readers) hooks_.interrupt_readers();
    empty_log();
    return;
  }
  const auto done = db_.checkpoint_passive();
  if (!done) housekeeping_failed(done.error());
  // A reader may hold a part of the log: not before a quarter more has been written.
  next_checkpoint_ =
      done && !done->busy ? limits_.checkpoint_frames : frames + limits_.checkpoint_frames / 4;
}

// False: somebody reads from it.
bool Writer::empty_log() {
  const auto done = db_.checkpoint_truncate();
  if (!done) housekeeping_failed(done.error());
  const bool is_empty = done && !done->busy;
  const int frames = db_.wal_frames();
  next_checkpoint_ = is_empty ? limits_.checkpoint_frames : frames + limits_.checkpoint_frames / 4;
  const bool is_full = !is_empty && frames >= limits_.log_frames;
  if (is_full == log_is_full_) return is_empty;
  log_is_full_ = is_full;
  Result<void> verdict;
  if (is_full) {
    verdict =
        make_error(Code::kUnavailable, "StorageLogFull",
                   "the write-ahead log has " + std::to_string(frames) +
                       " pages and must have less than " + std::to_string(limits_.log_frames) +
                       ", but somebody outside of this process reads from it");
    log_.warn("nothing is taken in: end what reads the database", {{"error", verdict.error()}});
  }
  if (hooks_.log_full) hooks_.log_full(std::move(verdict));
  return is_empty;
}

void Writer::idle_work() {
  if (closed_) {
    idle_work_due_ = false;
    return;
  }
  if (sweep()) return;
  if (hooks_.take_room_back) hooks_.take_room_back();
  // A log that is too long is tried again; another one waits for the next commit.
  idle_work_due_ = db_.wal_frames() != 0 && !empty_log() && log_is_full_;
}

// True: rows were taken away, and there may be more.
bool Writer::sweep() {
  commits_since_sweep_ = 0;
  Transaction transaction;
  auto done = begin(transaction);
  bool more = false;
  if (done) {
    const auto swept = sweeper_->sweep(clock_.now());
    more = swept && *swept;
    done = swept ? db_.execute("COMMIT") : Result<void>(swept.error());
  }
  if (!done) {
    roll_back(done.error(), {});
    if (make_room(done.error())) return true;
    housekeeping_failed(done.error());
  }
  return done && more;
}

}  // namespace oa::runtime
