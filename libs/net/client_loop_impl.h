// The client's thread: its event loop, its exchanges, and the pool that gives them turns.
//
// Thread-safety: `send`, `cancel`, `pause` and `resume` can be called from any thread; `stop` from
// any but its own; the rest is for exchanges, on its thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/result.h"
#include "libs/net/client_exchange_impl.h"
#include "libs/net/client_pool_impl.h"
#include "libs/net/http_client.h"

namespace oa::net {

class ClientLoop : public std::enable_shared_from_this<ClientLoop> {
 public:
  using ExchangeId = ClientPool::ExchangeId;

  // `tls` is made at the first need when null.
  ClientLoop(HttpClient::Options options, std::shared_ptr<TlsContext> tls);

  ClientHandle send(ClientRequest request, HttpClient::Done done);
  // Nothing for exchanges that have ended.
  void cancel(ExchangeId id);
  void pause(ExchangeId id);
  void resume(ExchangeId id);
  // Ends all exchanges, and the thread. What is sent in the meantime fails.
  void stop();

  static Error cancelled();

  boost::asio::io_context& io() { return io_; }
  const HttpClient::Options& options() const { return options_; }
  Result<std::shared_ptr<TlsContext>> tls();
  void on_end(ClientExchange& exchange, std::shared_ptr<ClientConnection> reusable);

 private:
  bool start_thread();
  void begin(const std::shared_ptr<ClientExchange>& exchange);
  void close();
  void give_turns_soon();
  void give_turns();
  void arm_unused_timer();
  std::shared_ptr<ClientExchange> find(ExchangeId id) const;
  template <typename Call>
  void with_exchange(ExchangeId id, Call call);

  const HttpClient::Options options_;
  boost::asio::io_context io_{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
  boost::asio::steady_timer unused_timer_;
  bool unused_timer_armed_ = false;
  bool giving_turns_ = false;  // `give_turns` is on its way
  bool closed_ = false;
  std::shared_ptr<TlsContext> tls_;
  ClientPool pool_;
  std::unordered_map<ExchangeId, std::shared_ptr<ClientExchange>> exchanges_;  // not ended

  std::mutex mutex_;  // of what follows
  ExchangeId last_id_ = 0;
  std::thread thread_;
};

}  // namespace oa::net
