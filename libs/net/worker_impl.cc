#include "libs/net/worker_impl.h"

#include <pthread.h>
#include <signal.h>

#include <boost/system/error_code.hpp>

#include "libs/net/response_head_impl.h"

namespace oa::net {
namespace {

// How long a connection that was refused is read from, so that its client sees the answer: closing
// with unread input resets the connection, and the client's kernel may then drop what it has not
// yet handed over.
constexpr std::chrono::milliseconds kLingerTime{2'000};

// A thread that takes no signals: those are for the program's main thread.
template <typename Run>
std::thread start_thread(Run run) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(run));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(thread.native_handle(), "http");
  return thread;
}

}  // namespace

void ServerState::on_connection_end(bool was_rejected) {
  --(was_rejected ? rejected : connections);
  if (!draining) return;
  std::lock_guard lock(mutex);
  ended.notify_all();
}

Deadlines::Deadlines(const ServerLimits& limits)
    : allowed_{limits.idle_timeout,
               limits.header_timeout,
               limits.body_timeout,
               limits.write_timeout,
               kLingerTime,
               limits.websocket_ping_interval,
               limits.websocket_ping_timeout,
               limits.websocket_close_timeout} {}

void Deadlines::set(Served& served, Phase phase, SteadyTime now) {
  clear(served);
  const auto index = static_cast<std::size_t>(phase);
  served.due = now + allowed_[index];
  lists_[index].push_back(served);
}

std::optional<SteadyTime> Deadlines::earliest() const {
  std::optional<SteadyTime> earliest;
  for (const auto& list : lists_) {
    if (!list.empty() && (!earliest || list.front().due < *earliest)) earliest = list.front().due;
  }
  return earliest;
}

Served* Deadlines::take_due(SteadyTime now) {
  for (auto& list : lists_) {
    if (list.empty() || list.front().due > now) continue;
    Served& due = list.front();
    clear(due);
    return &due;
  }
  return nullptr;
}

Worker::Worker(std::shared_ptr<ServerState> state)
    : state_(std::move(state)),
      work_(io_.get_executor()),
      timer_(io_),
      deadlines_(state_->options.limits),
      mailbox_(std::make_shared<Mailbox>(io_)),
      input_(new char[kInputBytes]),
      thread_(start_thread([this] { io_.run(); })) {}

Worker::~Worker() {
  stop();
  mailbox_->close();
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  post([this] { close_all(); });
  thread_.join();
}

void Worker::begin_drain() {
  draining_ = true;
  for (Served& served : members_) served.on_drain();
}

void Worker::close_all() {
  closed_ = true;
  for (Served& served : members_) served.close();
  timer_.cancel();
  work_.reset();
}

void Worker::set_deadline(Served& served, Phase phase) {
  deadlines_.set(served, phase, std::chrono::steady_clock::now());
  if (!armed_ || served.due < *armed_) arm_timer(served.due);
}

void Worker::arm_timer(SteadyTime at) {
  armed_ = at;
  timer_.expires_at(at);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && !closed_) on_timer();
  });
}

void Worker::on_timer() {
  armed_.reset();
  const SteadyTime now = std::chrono::steady_clock::now();
  while (Served* due = deadlines_.take_due(now)) due->on_deadline();
  if (const auto next = deadlines_.earliest()) arm_timer(*next);
}

std::string_view Worker::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second_) {
    date_ = http_date(now);
    date_second_ = now;
  }
  return date_;
}

}  // namespace oa::net
