#include "runtime-pod/agent/scheduler.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace oa::runtime {
namespace {

class ThreadScheduler : public Scheduler {
 public:
  ThreadScheduler(int workers, const Clock& clock) : clock_(clock) {
    for (int i = 0; i < workers; ++i) threads_.emplace_back(&ThreadScheduler::work, this);
    threads_.emplace_back(&ThreadScheduler::keep_time, this);
  }

  ~ThreadScheduler() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_changed_.notify_all();
    timers_changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      work_.push_back(std::move(work));
    }
    work_changed_.notify_one();
  }

  void at(Monotonic when, std::function<void()> work) override {
    bool earliest = false;
    {
      const std::lock_guard lock(mutex_);
      const auto added = timers_.emplace(when, std::move(work));
      earliest = added == timers_.begin();
    }
    if (earliest) timers_changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_changed_.wait(lock, [this] { return stopping_ || !work_.empty(); });
      if (stopping_) return;
      {
        std::function<void()> next = std::move(work_.front());
        work_.pop_front();
        lock.unlock();
        next();
      }
      lock.lock();
    }
  }

  void keep_time() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (timers_.empty()) {
        timers_changed_.wait(lock);
        continue;
      }
      const Monotonic earliest = timers_.begin()->first;
      if (const Monotonic now = clock_.monotonic(); now < earliest) {
        timers_changed_.wait_for(lock, earliest - now);
        continue;
      }
      work_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
      work_changed_.notify_one();
    }
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable work_changed_;
  std::condition_variable timers_changed_;
  bool stopping_ = false;                                   // by mutex_
  std::deque<std::function<void()>> work_;                  // by mutex_
  std::multimap<Monotonic, std::function<void()>> timers_;  // by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<Scheduler> make_thread_scheduler(int workers, const Clock& clock) {
  return std::make_unique<ThreadScheduler>(workers, clock);
}

}  // namespace oa::runtime
