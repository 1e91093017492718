// A queue of keys to reconcile: a key is in it once, the earliest time asked for wins, it is worked
// on by one worker at a time, and when asked for while being worked on it comes once more
// afterwards. Failures back off per key.
//
// `QueueState` is the pure core (time is a parameter); `WorkQueue` adds a lock, blocking and
// metrics.
//
// Thread-safety: QueueState none; WorkQueue can be used from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/clock.h"
#include "libs/kube/object.h"
#include "libs/obs/metrics.h"

namespace oa::kube {

// Of the keys that are due, those that somebody waits for go first.
enum class Priority { kUser, kResync };

struct QueuePolicy {
  Duration first_backoff = std::chrono::milliseconds(5);
  Duration max_backoff = std::chrono::seconds(60);
};

class QueueState {
 public:
  explicit QueueState(QueuePolicy policy) : policy_(policy) {}

  // Wants `key` at `due`. A key that waits already keeps the earlier time and the higher priority.
  // True if the queue did not have it.
  bool add(const ObjectKey& key, Monotonic due, Priority priority);

  // The next key that is due, now being worked on. Every taken key must be given back with `done`.
  struct Taken {
    ObjectKey key;
    Priority priority;
    Monotonic due;
  };
  std::optional<Taken> take(Monotonic now);
  std::optional<Monotonic> done(const ObjectKey& key);  // when it was taken; nullopt: it was not

  // The earliest time at which a waiting key that may be taken is due.
  std::optional<Monotonic> next_due() const;

  // The delay after one more failure of this key, and forgetting its failures after a success.
  Duration backoff(const ObjectKey& key);
  void forget(const ObjectKey& key);

  void drop_waiting();  // what is being worked on stays

  std::size_t waiting() const { return waiting_.size(); }
  std::size_t working() const { return working_.size(); }
  std::vector<Monotonic> working_since() const;

 private:
  struct Wanted {
    Monotonic due;
    Priority priority;
    std::uint64_t order;  // first come, first served among equals
  };
  using DueOrder = std::set<std::tuple<Monotonic, std::uint64_t, ObjectKey>>;

  void enqueue(const ObjectKey& key, const Wanted& wanted);
  void dequeue(const ObjectKey& key, const Wanted& wanted);
  DueOrder& order_of(Priority priority) { return priority == Priority::kUser ? user_ : resync_; }

  QueuePolicy policy_;
  std::uint64_t next_order_ = 0;
  // Invariant: a key that is in working_ is in neither of the two orders; it enters when it is
  // done.
  std::unordered_map<ObjectKey, Wanted, ObjectKeyHash> waiting_;
  std::unordered_map<ObjectKey, Monotonic, ObjectKeyHash> working_;
  DueOrder user_, resync_;
  std::unordered_map<ObjectKey, int, ObjectKeyHash> failures_;
};

class WorkQueue {
 public:
  // Metrics:
  // workqueue_{depth,adds_total,queue_duration_seconds,work_duration_seconds,retries_total,
  // unfinished_work_seconds,longest_running_processor_seconds}{name}.
  WorkQueue(std::string name, QueuePolicy policy, const Clock& clock, obs::Metrics& metrics);
  ~WorkQueue();

  void add(const ObjectKey& key, Priority priority = Priority::kUser);
  void add_after(const ObjectKey& key, Duration delay, Priority priority = Priority::kUser);
  // After this key's back-off, which grows until `forget`.
  void retry(const ObjectKey& key);
  void forget(const ObjectKey& key);

  // Waits for a key; nullopt after shutdown or when `stop` is raised. Call `done` when finished
  // with it.
  std::optional<ObjectKey> get(std::stop_token stop);
  void done(const ObjectKey& key);

  // From now on nothing can be added, `get` gives nothing, and what waits is dropped. Returns at
  // once; `drain` waits until what is being worked on is done.
  void shutdown();
  bool drain(Duration limit);  // false: the limit passed first

  std::size_t depth() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // also the metrics registry refers to it, weakly
};

}  // namespace oa::kube
