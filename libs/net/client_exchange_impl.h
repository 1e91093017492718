// One exchange of the client: waits for its turn, connects or takes a kept connection, sends the
// request, reads the answer, and calls `done`.
//
// `run` is the coroutine that waits; `end` may overtake it at any of its waits (time is up,
// cancelled), so that it looks at `ended_` after each.
//
// Thread-safety: used on the client's thread only, but for the constructor.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include "core/result.h"
#include "libs/net/client_connection_impl.h"
#include "libs/net/client_pool_impl.h"
#include "libs/net/http_client.h"
#include "libs/net/response_reader_impl.h"

namespace oa::net {

class ClientLoop;

class ClientExchange : public std::enable_shared_from_this<ClientExchange> {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  ClientExchange(ClientLoop& loop, ClientPool::ExchangeId id, ClientRequest request,
                 HttpClient::Done done);

  ClientPool::ExchangeId id() const { return id_; }
  const std::string& host() const { return host_; }  // for the pool
  const ClientRequest& request() const { return request_; }
  bool has_turn() const { return has_turn_; }

  void start();  // the deadline; then it waits for its turn
  void on_turn(std::shared_ptr<Pooled> kept);
  void fail(Error error);  // nothing once it has ended
  void silence() { silent_ = true; }
  void pause() { paused_ = true; }
  void resume();

 private:
  enum class Phase { kWaiting, kConnecting, kTalking };
  struct Address {
    ClientEndpoint endpoint;
    std::string text;  // as HttpClient::Options::may_connect gets it
  };
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using ErrorCode = boost::system::error_code;

  static Awaitable<void> run(std::shared_ptr<ClientExchange> self);
  static Awaitable<void> write_rest(std::shared_ptr<ClientExchange> self,
                                    std::shared_ptr<ClientConnection> connection);
  // These return false when the exchange has ended or is about to.
  Awaitable<bool> open();
  Awaitable<bool> connect(std::vector<Address> addresses);
  Awaitable<bool> shake_hands();
  Awaitable<bool> talk();  // true: the connection was lost before a byte of the answer
  Awaitable<void> write();

  Awaitable<std::vector<Address>> look_up(ErrorCode& failed);
  Awaitable<bool> take_input(ResponseReader& reader, std::string_view& input);
  bool take(ResponseReader& reader, ResponseReader::Outcome outcome, std::string_view rest);
  bool take_body(ResponseReader& reader);
  bool on_input_end(ResponseReader& reader, const ErrorCode& how);
  std::string_view unwritten() const;
  void arm_timer();
  void on_timer();
  void fail(Code code, const char* reason, const std::string& what);
  void fail_connecting(const char* reason, const std::string& what, const ErrorCode& why);
  void end(Result<ClientResponse> response, std::shared_ptr<ClientConnection> reusable);
  template <typename Call>
  bool guarded(Call call);

  ClientLoop& loop_;
  const ClientPool::ExchangeId id_;
  ClientRequest request_;
  HttpClient::Done done_;
  const std::string host_;

  boost::asio::steady_timer timer_;
  boost::asio::steady_timer resumed_;  // never fires; cancelled to wake `run`
  Phase phase_ = Phase::kWaiting;
  SteadyTime due_;
  SteadyTime connect_due_;  // while connecting
  SteadyTime attempt_due_;  // while connecting: the next address is tried then

  std::shared_ptr<ClientConnection> connection_;
  std::string head_;         // a small body with it
  std::size_t written_ = 0;  // of head_ and then of the body
  int writers_ = 0;          // coroutines that write
  std::string body_;         // of the answer

  bool has_turn_ = false;
  bool sent_ = false;      // a byte of the request may have left, by this connection or the last
  bool answered_ = false;  // a byte of the answer has come
  bool paused_ = false;
  bool silent_ = false;  // no on_head or on_body any more
  bool ended_ = false;
};

}  // namespace oa::net
