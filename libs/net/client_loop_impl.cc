#include "libs/net/client_loop_impl.h"

#include <chrono>
#include <pthread.h>
#include <signal.h>
#include <system_error>
#include <vector>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include "libs/net/client_request_impl.h"

namespace oa::net {
namespace asio = boost::asio;
namespace {

class RemoteControl final : public ExchangeControl {
 public:
  RemoteControl(std::weak_ptr<ClientLoop> loop, ClientLoop::ExchangeId id)
      : loop_(std::move(loop)), id_(id) {}

  void cancel() override {
    if (const auto loop = loop_.lock()) loop->cancel(id_);
  }
  void pause() override {
    if (const auto loop = loop_.lock()) loop->pause(id_);
  }
  void resume() override {
    if (const auto loop = loop_.lock()) loop->resume(id_);
  }

 private:
  const std::weak_ptr<ClientLoop> loop_;
  const ClientLoop::ExchangeId id_;
};

Error not_retryable(const char* reason, const char* detail) {
  Error error = make_error(Code::kUnavailable, reason, detail);
  error.retryable = false;
  return error;
}

Error client_closed() { return not_retryable("ClientClosed", "the HTTP client has been closed"); }

ClientPool::Limits pool_limits(const HttpClient::Options& options) {
  return {options.max_connections_per_host, options.max_waiting_per_host, options.max_connections,
          options.idle_timeout};
}

}  // namespace

ClientLoop::ClientLoop(HttpClient::Options options, std::shared_ptr<TlsContext> tls)
    : options_(std::move(options)),
      work_(io_.get_executor()),
      unused_timer_(io_),
      tls_(std::move(tls)),
      pool_(pool_limits(options_)) {}

Error ClientLoop::cancelled() {
  return not_retryable("Cancelled", "the exchange was cancelled by its caller");
}

ClientHandle ClientLoop::send(ClientRequest request, HttpClient::Done done) {
  std::unique_lock lock(mutex_);
  const ExchangeId id = ++last_id_;
  if (!start_thread()) {
    lock.unlock();
    done({make_error(Code::kUnavailable, "the system has no thread left for the HTTP client"),
          false});
    return {};
  }
  // Posted under the lock, so that ids begin in order.
  asio::post(io_, [this, exchange = std::make_shared<ClientExchange>(
                             *this, id, std::move(request), std::move(done))] { begin(exchange); });
  return ClientHandle(std::make_shared<RemoteControl>(weak_from_this(), id));
}

// A thread that takes no signals: those are for the program's main thread.
bool ClientLoop::start_thread() {
  if (thread_.joinable()) return true;
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { io_.run(); });
    ::pthread_setname_np(thread_.native_handle(), "http-client");
  } catch (const std::system_error&) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread_.joinable();
}

void ClientLoop::stop() {
  std::unique_lock lock(mutex_);
  if (!thread_.joinable()) return;
  lock.unlock();  // a callback may send
  asio::post(io_, [this] { close(); });
  thread_.join();
}

void ClientLoop::close() {
  closed_ = true;
  std::vector<std::shared_ptr<ClientExchange>> open;
  for (const auto& [id, exchange] : exchanges_) open.push_back(exchange);
  for (const auto& exchange : open) exchange->fail(client_closed());
  pool_.close_all();
  unused_timer_.cancel();
  work_.reset();
}

void ClientLoop::begin(const std::shared_ptr<ClientExchange>& exchange) {
  exchanges_.emplace(exchange->id(), exchange);
  if (closed_) return exchange->fail(client_closed());
  if (const Result<void> fine = check_request(exchange->request()); !fine) {
    return exchange->fail(fine.error());
  }
  if (!pool_.ask(exchange->host(), exchange->id())) {
    return exchange->fail(make_error(Code::kUnavailable, "TooManyRequests",
                                     std::to_string(options_.max_waiting_per_host) +
                                         " requests wait for a connection to " + exchange->host() +
                                         " already"));
  }
  exchange->start();
  give_turns_soon();
}

void ClientLoop::on_end(ClientExchange& exchange, std::shared_ptr<ClientConnection> reusable) {
  exchanges_.erase(exchange.id());
  if (!exchange.has_turn()) return pool_.withdraw(exchange.host(), exchange.id());
  pool_.give_back(exchange.host(), closed_ ? nullptr : std::move(reusable),
                  std::chrono::steady_clock::now());
  give_turns_soon();
}

// Later, because an exchange whose turn it is may end at once, and give a turn to another, ...
void ClientLoop::give_turns_soon() {
  if (giving_turns_) return;
  giving_turns_ = true;
  asio::post(io_, [this] { give_turns(); });
}

void ClientLoop::give_turns() {
  giving_turns_ = false;
  if (closed_) return;
  while (std::optional<ClientPool::Turn> turn = pool_.next()) {
    find(turn->exchange)->on_turn(std::move(turn->kept));
  }
  arm_unused_timer();
}

void ClientLoop::arm_unused_timer() {
  const auto next = pool_.close_unused(std::chrono::steady_clock::now());
  if (!next || unused_timer_armed_) return;
  unused_timer_armed_ = true;
  unused_timer_.expires_at(*next);
  unused_timer_.async_wait([this](const boost::system::error_code& cancelled) {
    unused_timer_armed_ = false;
    if (!cancelled && !closed_) arm_unused_timer();
  });
}

Result<std::shared_ptr<TlsContext>> ClientLoop::tls() {
  if (tls_) return tls_;
  Result<std::shared_ptr<TlsContext>> made = make_tls_context("");
  if (made) tls_ = *made;
  return made;
}

std::shared_ptr<ClientExchange> ClientLoop::find(ExchangeId id) const {
  const auto found = exchanges_.find(id);
  return found == exchanges_.end() ? nullptr : found->second;
}

template <typename Call>
void ClientLoop::with_exchange(ExchangeId id, Call call) {
  if (const std::shared_ptr<ClientExchange> exchange = find(id)) call(*exchange);
}

void ClientLoop::cancel(ExchangeId id) {
  // Within one of its callbacks: no other follows.
  if (io_.get_executor().running_in_this_thread()) {
    with_exchange(id, [](ClientExchange& exchange) { exchange.silence(); });
  }
  asio::post(io_, [this, id] {
    with_exchange(id, [](ClientExchange& exchange) { exchange.fail(cancelled()); });
  });
}

void ClientLoop::pause(ExchangeId id) {
  asio::dispatch(
      io_, [this, id] { with_exchange(id, [](ClientExchange& exchange) { exchange.pause(); }); });
}

void ClientLoop::resume(ExchangeId id) {
  asio::dispatch(
      io_, [this, id] { with_exchange(id, [](ClientExchange& exchange) { exchange.resume(); }); });
}

}  // namespace oa::net
