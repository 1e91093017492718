#include "runtime-pod/alarms/timekeeper.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace oa::runtime {
namespace {

// Rows fired before what other threads have handed in is looked at again.
constexpr std::size_t kBatch = 256;

constexpr Duration kFirstLoadDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestLoadDelay = std::chrono::seconds(5);

Duration load_delay(int failures) {
  Duration delay = kFirstLoadDelay;
  for (int i = 1; i < failures && delay < kLongestLoadDelay; ++i) delay *= 2;
  return std::min(delay, kLongestLoadDelay);
}

void lower(std::optional<Time>& earliest, Time time) {
  earliest = earliest ? std::min(*earliest, time) : time;
}

}  // namespace

struct Timekeeper::Inbox {
  struct Finished {
    DueRow row;
    bool again = false;
  };

  Inbox(WallTimer& wall_timer, std::size_t max_added) : timer(wall_timer), capacity(max_added) {}

  void add(std::span<const DueRow> rows) {
    const std::lock_guard lock(mutex);
    bool earlier = false;
    for (const DueRow& row : rows) {
      if (added.size() < capacity) {
        added.push_back(row);
      } else {
        lower(missed, row.at);
      }
      lower(next, row.at);
      earlier = earlier || !wake_at || row.at < *wake_at;
    }
    if (earlier || added.size() > capacity / 2) wake();
  }

  void finish(DueRow row, bool again) {
    const std::lock_guard lock(mutex);
    finished.push_back({std::move(row), again});
    if (again || done_matters) wake();
  }

  void wake() {  // by mutex
    if (!asleep) return;
    asleep = false;
    timer.wake();
  }

  WallTimer& timer;  // not touched unless asleep
  const std::size_t capacity;
  std::mutex mutex;  // of all below
  std::vector<DueRow> added;
  std::optional<Time> missed;  // the earliest row that did not fit into `added`
  std::vector<Finished> finished;
  bool stopping = false;
  // As of the moment when the thread went to sleep. What is handed in needs no look at it before
  // `wake_at`, unless it is due earlier.
  bool asleep = false;
  std::optional<Time> wake_at;
  bool done_matters = false;
  std::optional<Time> next;
};

// That a row in flight is done, told once.
class Timekeeper::Ticket {
 public:
  Ticket(std::shared_ptr<Inbox> inbox, DueRow row)
      : inbox_(std::move(inbox)), row_(std::move(row)) {}
  ~Ticket() { use(true); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void use(bool again) {
    if (!used_.exchange(true)) inbox_->finish(row_, again);
  }
  const DueRow& row() const { return row_; }

 private:
  const std::shared_ptr<Inbox> inbox_;
  const DueRow row_;
  std::atomic<bool> used_{false};
};

Timekeeper::Timekeeper(WindowLimits limits, const Clock& clock, WallTimer& timer, Load load,
                       Fire fire, Fired fired, obs::Logger log)
    : clock_(clock),
      timer_(timer),
      load_(std::move(load)),
      fire_(std::move(fire)),
      fired_(std::move(fired)),
      log_(std::move(log)),
      inbox_(std::make_shared<Inbox>(timer, limits.rows)),
      window_(limits) {}

Timekeeper::~Timekeeper() { stop(); }

void Timekeeper::start() { thread_ = std::thread(&Timekeeper::run, this); }

void Timekeeper::stop() {
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->stopping = true;
    inbox_->wake();
  }
  if (thread_.joinable()) thread_.join();
}

void Timekeeper::added(std::span<const DueRow> rows) { inbox_->add(rows); }

std::optional<Time> Timekeeper::next() const {
  const std::lock_guard lock(inbox_->mutex);
  return inbox_->next;
}

void Timekeeper::run() {
  while (drain()) {
    if (fire_due() || load_page()) continue;
    sleep();
  }
}

// False: it is time to stop. Rows that were added after a load began are taken in after it, so that
// none falls between the two.
bool Timekeeper::drain() {
  std::vector<DueRow> added;
  std::vector<Inbox::Finished> finished;
  std::optional<Time> missed;
  {
    const std::lock_guard lock(inbox_->mutex);
    if (inbox_->stopping) return false;
    added.swap(inbox_->added);
    finished.swap(inbox_->finished);
    missed = std::exchange(inbox_->missed, std::nullopt);
  }
  const Time now = clock_.now();
  for (const Inbox::Finished& one : finished) window_.done(one.row, one.again, now);
  for (const DueRow& row : added) window_.add(row);
  if (missed) window_.missed(*missed);
  return true;
}

// True: there may be more.
bool Timekeeper::fire_due() {
  std::vector<DueRow> due = window_.take(clock_.now(), kBatch);
  for (DueRow& row : due) {
    const auto ticket = std::make_shared<Ticket>(inbox_, std::move(row));
    if (fired_) {
      fired_(ticket->row(), std::max(Duration(0), clock_.now() - ticket->row().at));
    }
    fire_(ticket->row(), [ticket](bool again) { ticket->use(again); });
  }
  return due.size() == kBatch;
}

// True: rows were loaded, some may be due.
bool Timekeeper::load_page() {
  const auto limit = window_.wanted();
  if (!limit || !may_load(clock_.now())) return false;
  const auto page = load_(window_.horizon(), *limit);
  if (!page) {
    if (++failed_loads_ == 1) {
      log_.warn("due rows cannot be read, what is due may be late", {{"error", page.error()}});
    }
    load_again_ = clock_.now() + load_delay(failed_loads_);
    return false;
  }
  if (failed_loads_ > 0) log_.info("due rows can be read again");
  failed_loads_ = 0;
  window_.loaded(*page, *limit);
  return true;
}

// A delay that seems too long was begun before the clock was set back.
bool Timekeeper::may_load(Time now) const {
  return failed_loads_ == 0 || now >= load_again_ || load_again_ > now + kLongestLoadDelay;
}

void Timekeeper::sleep() {
  std::optional<Time> until = window_.wake();
  if (window_.wanted()) lower(until, load_again_);
  {
    const std::lock_guard lock(inbox_->mutex);
    inbox_->next = window_.next();
    if (inbox_->stopping || !inbox_->added.empty() || !inbox_->finished.empty()) {
      for (const DueRow& row : inbox_->added) lower(inbox_->next, row.at);
      return;
    }
    inbox_->wake_at = until;
    inbox_->done_matters = window_.done_matters();
    inbox_->asleep = true;
  }
  timer_.wait(until);
  const std::lock_guard lock(inbox_->mutex);
  inbox_->asleep = false;
}

}  // namespace oa::runtime
