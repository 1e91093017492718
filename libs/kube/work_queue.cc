#include "libs/kube/work_queue.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace oa::kube {

void QueueState::enqueue(const ObjectKey& key, const Wanted& wanted) {
  order_of(wanted.priority).emplace(wanted.due, wanted.order, key);
}

void QueueState::dequeue(const ObjectKey& key, const Wanted& wanted) {
  order_of(wanted.priority).erase({wanted.due, wanted.order, key});
}

bool QueueState::add(const ObjectKey& key, Monotonic due, Priority priority) {
  const auto [it, added] = waiting_.try_emplace(key, Wanted{due, priority, next_order_});
  Wanted& wanted = it->second;
  const bool free = !working_.contains(key);
  if (added) {
    ++next_order_;
    if (free) enqueue(key, wanted);
    return true;
  }
  if (free) dequeue(key, wanted);
  wanted.due = std::min(wanted.due, due);
  if (priority == Priority::kUser) wanted.priority = priority;
  if (free) enqueue(key, wanted);
  return false;
}

std::optional<QueueState::Taken> QueueState::take(Monotonic now) {
  for (DueOrder* order : {&user_, &resync_}) {
    if (order->empty()) continue;
    const auto& [due, number, key] = *order->begin();
    if (due > now) continue;
    Taken taken{key, waiting_.at(key).priority, due};
    order->erase(order->begin());
    waiting_.erase(taken.key);
    working_.emplace(taken.key, now);
    return taken;
  }
  return std::nullopt;
}

std::optional<Monotonic> QueueState::done(const ObjectKey& key) {
  const auto it = working_.find(key);
  if (it == working_.end()) return std::nullopt;
  const Monotonic began = it->second;
  working_.erase(it);
  if (const auto wanted = waiting_.find(key); wanted != waiting_.end())
    enqueue(key, wanted->second);
  return began;
}

std::optional<Monotonic> QueueState::next_due() const {
  std::optional<Monotonic> next;
  for (const DueOrder* order : {&user_, &resync_}) {
    if (order->empty()) continue;
    const Monotonic due = std::get<0>(*order->begin());
    next = next ? std::min(*next, due) : due;
  }
  return next;
}

Duration QueueState::backoff(const ObjectKey& key) {
  int& failures = failures_[key];
  Duration delay = policy_.first_backoff;
  for (int i = 0; i < failures && delay < policy_.max_backoff; ++i) delay *= 2;
  ++failures;
  return std::min(delay, policy_.max_backoff);
}

void QueueState::forget(const ObjectKey& key) { failures_.erase(key); }

void QueueState::drop_waiting() {
  waiting_.clear();
  user_.clear();
  resync_.clear();
}

std::vector<Monotonic> QueueState::working_since() const {
  std::vector<Monotonic> times;
  for (const auto& [key, began] : working_) times.push_back(began);
  return times;
}

struct WorkQueue::Impl {
  Impl(const std::string& name, QueuePolicy policy, const Clock& queue_clock, obs::Metrics& metrics)
      : clock(queue_clock),
        state(policy),
        adds(metrics.counter("workqueue_adds_total", "Keys added to the queue.", {{"name", name}})),
        retries(metrics.counter("workqueue_retries_total", "Keys added again after a failure.",
                                {{"name", name}})),
        depth(metrics.gauge("workqueue_depth", "Keys that wait, those for a later time too.",
                            {{"name", name}})),
        queue_seconds(metrics.histogram("workqueue_queue_duration_seconds",
                                        "Time from when a key was due until a worker took it.",
                                        {{"name", name}})),
        work_seconds(metrics.histogram("workqueue_work_duration_seconds",
                                       "Time that a worker had a key.", {{"name", name}})),
        unfinished(metrics.gauge("workqueue_unfinished_work_seconds",
                                 "Sum of the times that workers have had their keys.",
                                 {{"name", name}})),
        longest(metrics.gauge("workqueue_longest_running_processor_seconds",
                              "The longest time that a worker has had its key.",
                              {{"name", name}})) {}

  void add(const ObjectKey& key, Monotonic due, Priority priority) {
    if (closed) return;
    if (state.add(key, due, priority)) adds.add();
    depth.set(static_cast<double>(state.waiting()));
    changed.notify_one();
  }

  void refresh() {
    std::lock_guard lock(mutex);
    double sum = 0;
    double maximum = 0;
    for (const Monotonic began : state.working_since()) {
      const double seconds = std::chrono::duration<double>(clock.monotonic() - began).count();
      sum += seconds;
      maximum = std::max(maximum, seconds);
    }
    unfinished.set(sum);
    longest.set(maximum);
  }

  const Clock& clock;
  mutable std::mutex mutex;
  std::condition_variable_any changed;  // something was added, or the queue was closed
  std::condition_variable_any idle;     // nothing is being worked on
  QueueState state;
  bool closed = false;

  obs::Counter& adds;
  obs::Counter& retries;
  obs::Gauge& depth;
  obs::Histogram& queue_seconds;
  obs::Histogram& work_seconds;
  obs::Gauge& unfinished;
  obs::Gauge& longest;
};

WorkQueue::WorkQueue(std::string name, QueuePolicy policy, const Clock& clock,
                     obs::Metrics& metrics)
    : impl_(std::make_shared<Impl>(name, policy, clock, metrics)) {
  metrics.before_scrape([weak = std::weak_ptr<Impl>(impl_)] {
    if (const auto impl = weak.lock()) impl->refresh();
  });
}

WorkQueue::~WorkQueue() { shutdown(); }

void WorkQueue::add(const ObjectKey& key, Priority priority) {
  add_after(key, Duration::zero(), priority);
}

void WorkQueue::add_after(const ObjectKey& key, Duration delay, Priority priority) {
  std::lock_guard lock(impl_->mutex);
  impl_->add(key, impl_->clock.monotonic() + delay, priority);
}

void WorkQueue::retry(const ObjectKey& key) {
  std::lock_guard lock(impl_->mutex);
  impl_->retries.add();
  impl_->add(key, impl_->clock.monotonic() + impl_->state.backoff(key), Priority::kUser);
}

void WorkQueue::forget(const ObjectKey& key) {
  std::lock_guard lock(impl_->mutex);
  impl_->state.forget(key);
}

std::optional<ObjectKey> WorkQueue::get(std::stop_token stop) {
  Impl& queue = *impl_;
  std::unique_lock lock(queue.mutex);
  while (!queue.closed && !stop.stop_requested()) {
    const Monotonic now = queue.clock.monotonic();
    if (std::optional<QueueState::Taken> taken = queue.state.take(now)) {
      queue.depth.set(static_cast<double>(queue.state.waiting()));
      queue.queue_seconds.observe(std::chrono::duration<double>(now - taken->due).count());
      // Another worker may have been woken for a key that is due too.
      if (queue.state.next_due()) queue.changed.notify_one();
      return std::move(taken->key);
    }
    const std::optional<Monotonic> due = queue.state.next_due();
    // A wake-up of any kind leads to another look, so the waits have no condition of their own.
    bool woken = false;
    const auto once = [&woken] { return std::exchange(woken, true); };
    if (due) {
      queue.changed.wait_for(lock, stop, *due - now, once);
    } else {
      queue.changed.wait(lock, stop, once);
    }
  }
  return std::nullopt;
}

void WorkQueue::done(const ObjectKey& key) {
  std::lock_guard lock(impl_->mutex);
  if (const std::optional<Monotonic> began = impl_->state.done(key)) {
    impl_->work_seconds.observe(
        std::chrono::duration<double>(impl_->clock.monotonic() - *began).count());
  }
  impl_->changed.notify_one();
  if (impl_->state.working() == 0) impl_->idle.notify_all();
}

void WorkQueue::shutdown() {
  std::lock_guard lock(impl_->mutex);
  impl_->closed = true;
  impl_->state.drop_waiting();
  impl_->depth.set(0);
  impl_->changed.notify_all();
}

bool WorkQueue::drain(Duration limit) {
  std::unique_lock lock(impl_->mutex);
  return impl_->idle.wait_for(lock, limit, [this] { return impl_->state.working() == 0; });
}

std::size_t WorkQueue::depth() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->state.waiting();
}

}  // namespace oa::kube
