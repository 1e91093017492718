#include "libs/net/http_server.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "libs/net/connection_impl.h"
#include "libs/net/listener_impl.h"
#include "libs/net/worker_impl.h"

namespace oa::net {
namespace asio = boost::asio;
namespace {

// Connections over the limit that are open at a time for the sake of a proper answer; those above
// are just closed.
constexpr std::size_t kRejectedAtOnce = 64;

// How long accepting rests when the process or the machine has no descriptors or memory left for a
// connection.
constexpr std::chrono::milliseconds kRest{200};

constexpr int kAcceptsPerTurn = 64;

using Workers = std::vector<std::unique_ptr<Worker>>;

Workers start_workers(const std::shared_ptr<ServerState>& state) {
  Workers workers;
  for (int i = 0; i < std::max(1, state->options.threads); ++i) {
    workers.push_back(std::make_unique<Worker>(state));
  }
  return workers;
}

// Accepts on the first worker's thread and deals connections out to all workers in turn.
class Acceptor {
 public:
  enum class Step { kAccepted, kBlocked, kExhausted, kClosed };

  Acceptor(Listener listener, Workers& workers)
      : workers_(workers),
        descriptor_(workers[0]->io(), ::dup(listener.fd())),
        rest_(workers[0]->io()),
        listener_(std::move(listener)) {}

  Step accept_one();
  // Takes in what waits to be accepted, then closes.
  void drain();
  void close();

  Awaitable<void> acceptable() {
    return descriptor_.async_wait(Descriptor::wait_read,
                                  asio::redirect_error(UseAwaitable{}, wait_error_));
  }
  Awaitable<void> rest() {
    rest_.expires_after(kRest);
    return rest_.async_wait(asio::redirect_error(UseAwaitable{}, wait_error_));
  }

 private:
  using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                           asio::wait_traits<std::chrono::steady_clock>, Executor>;

  void admit(Accepted accepted);
  void warn(int error);

  Workers& workers_;
  Descriptor descriptor_;
  Timer rest_;
  boost::system::error_code wait_error_;  // not looked at: `accept` says what is wrong
  std::optional<Listener> listener_;      // empty once closed
  std::size_t next_worker_ = 0;
  bool exhausted_ = false;
};

Acceptor::Step Acceptor::accept_one() {
  if (!listener_) return Step::kClosed;
  Accepted accepted = accept_from(listener_->fd());
  if (accepted.fd >= 0) {
    exhausted_ = false;
    admit(std::move(accepted));
    return Step::kAccepted;
  }
  // The client gave up before it was accepted: on to the next.
  if (accepted.error == ECONNABORTED || accepted.error == EPROTO) return Step::kAccepted;
  if (accepted.error == EAGAIN) return Step::kBlocked;
  warn(accepted.error);
  return Step::kExhausted;
}

void Acceptor::admit(Accepted accepted) {
  ServerState& state = workers_[0]->state();
  const bool rejected = state.connections >= state.options.limits.connections;
  if (rejected && state.rejected >= kRejectedAtOnce) {
    ::close(accepted.fd);
    return;
  }
  ++(rejected ? state.rejected : state.connections);
  Worker& worker = *workers_[next_worker_];
  next_worker_ = (next_worker_ + 1) % workers_.size();
  worker.post([&worker, accepted = std::move(accepted), rejected] {
    start_connection(worker, accepted.fd, accepted.peer, rejected);
  });
}

void Acceptor::warn(int error) {
  const auto& logger = workers_[0]->state().options.logger;
  if (logger && !exhausted_) {
    logger->warn("cannot accept connections", {{"error", std::generic_category().message(error)}});
  }
  exhausted_ = true;
}

void Acceptor::drain() {
  for (int i = 0; i < SOMAXCONN && accept_one() == Step::kAccepted; ++i) {
  }
  close();
}

void Acceptor::close() {
  listener_.reset();
  descriptor_.close(wait_error_);
  rest_.cancel();
}

// `acceptor` outlives the worker's thread, which runs this.
Awaitable<void> accept_all(Acceptor& acceptor) {
  for (int in_a_row = 0;;) {
    switch (acceptor.accept_one()) {
      case Acceptor::Step::kAccepted:
        if (++in_a_row < kAcceptsPerTurn) break;
        [[fallthrough]];  // the others get a turn; what still waits to be accepted ends the wait at
                          // once
      case Acceptor::Step::kBlocked:
        in_a_row = 0;
        co_await acceptor.acceptable();
        break;
      case Acceptor::Step::kExhausted:
        co_await acceptor.rest();
        break;
      case Acceptor::Step::kClosed:
        co_return;
    }
  }
}

class BeastServer final : public HttpServer {
 public:
  BeastServer(Options options, Handler handler, Listener listener);
  ~BeastServer() override { stop(); }

  int port() const override { return port_; }
  ServerStats stats() const override { return {state_->connections, state_->in_flight}; }
  bool drain(std::chrono::milliseconds deadline) override;

 private:
  void begin_drain();
  void stop();

  const int port_;
  const std::shared_ptr<ServerState> state_;
  Workers workers_;
  Acceptor acceptor_;
  std::mutex stop_mutex_;
  bool stopped_ = false;          // guarded by stop_mutex_
  std::size_t workers_to_drain_;  // guarded by state_->mutex
};

BeastServer::BeastServer(Options options, Handler handler, Listener listener)
    : port_(listener.port()),
      state_(std::make_shared<ServerState>(std::move(options), std::move(handler))),
      workers_(start_workers(state_)),
      acceptor_(std::move(listener), workers_),
      workers_to_drain_(workers_.size()) {
  asio::co_spawn(workers_[0]->io().get_executor(), accept_all(acceptor_), asio::detached);
}

// A connection that was accepted is on its worker's queue before that worker begins to drain.
void BeastServer::begin_drain() {
  workers_[0]->post([this] {
    acceptor_.drain();
    for (const auto& worker : workers_) {
      worker->post([this, &worker] {
        worker->begin_drain();
        std::lock_guard lock(state_->mutex);
        --workers_to_drain_;
        state_->ended.notify_all();
      });
    }
  });
}

bool BeastServer::drain(std::chrono::milliseconds deadline) {
  if (!state_->draining.exchange(true)) begin_drain();
  {
    std::unique_lock lock(state_->mutex);
    state_->ended.wait_for(lock, deadline, [this] {
      return workers_to_drain_ == 0 && state_->connections == 0 && state_->rejected == 0;
    });
  }
  const bool answered = state_->in_flight == 0;
  stop();
  return answered;
}

void BeastServer::stop() {
  std::lock_guard lock(stop_mutex_);
  if (std::exchange(stopped_, true)) return;
  workers_[0]->post([this] { acceptor_.close(); });
  for (const auto& worker : workers_) worker->stop();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options, Handler handler) {
  Result<Listener> listener = Listener::open(options.listen);
  if (!listener) return listener.error();
  try {
    return std::unique_ptr<HttpServer>(
        new BeastServer(std::move(options), std::move(handler), *std::move(listener)));
  } catch (const std::system_error& e) {  // no descriptors or threads left
    return make_error(Code::kUnavailable, std::string("cannot start the HTTP server: ") + e.what());
  }
}

}  // namespace oa::net
