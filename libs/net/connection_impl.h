// One client's connection: reads a request, hands it to the handler, writes the answer, and so on
// until it ends.
//
// The steps are plain functions that do what can be done without waiting and say whether to wait;
// `serve` is the coroutine that does the waiting.
//
// Thread-safety: used on its worker's I/O thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include "libs/net/request_reader_impl.h"
#include "libs/net/response_head_impl.h"
#include "libs/net/stream_impl.h"
#include "libs/net/worker_impl.h"

namespace oa::net {

using Executor = boost::asio::io_context::executor_type;
using UseAwaitable = boost::asio::use_awaitable_t<Executor>;
template <typename T>
using Awaitable = boost::asio::awaitable<T, Executor>;
using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

// Serves the connection `fd`, which it takes over, on the worker's thread. A rejected one gets a
// 503 and is closed.
void start_connection(Worker& worker, int fd, std::string peer, bool rejected);

class Connection final : public Served,
                         public ReplyTarget,
                         public OutputTarget,
                         public std::enable_shared_from_this<Connection> {
 public:
  enum class Step { kDone, kBlocked, kClosed };

  Connection(Worker& worker, int fd, std::string peer, bool rejected);
  ~Connection() override;

  // Until there is a whole request, or a reply that refuses it.
  Step read_request();
  bool has_reply() const { return reply_.has_value(); }
  bool awaits_reply() const { return !closed_ && !reply_; }
  // The reply may be there when this returns, or come later.
  void call_handler();
  Step write_reply();
  // Whether the answer that was written goes on as a stream.
  bool open_stream();
  // Until the stream has ended. What blocks it ends with `woken`.
  Step write_stream();
  // Whether the answer made the connection a WebSocket, which has taken it over.
  bool become_websocket();
  // Whether another request may follow. If not, `discard_input` until it is done.
  bool begin_next();
  Step discard_input();

  auto readable() { return wait(Descriptor::wait_read); }
  auto writable() { return wait(Descriptor::wait_write); }
  // Something may have changed of what another thread or a watched client does.
  Awaitable<void> woken();

  void set_reply(Response response, Resume resume) override;
  void watch_caller(std::weak_ptr<PendingReply> reply) override;
  void on_output() override { wake(Resume::kNow); }
  void on_deadline() override;
  void on_drain() override;
  void close() override;

 private:
  using Waiter = boost::asio::async_result<UseAwaitable, void()>::handler_type;

  Awaitable<void> wait(Descriptor::wait_type what) {
    return descriptor_.async_wait(what, boost::asio::redirect_error(UseAwaitable{}, wait_error_));
  }
  Step take_input(std::string_view fresh);
  Step block_on_input();
  Step block(Phase phase);
  Step refuse(const Error& error);
  void wake(Resume resume);
  // Notices when the client goes away while the coroutine waits for something else.
  void watch_input();
  void on_watched_input();
  void on_client_gone();
  void await_output();
  Framing reply_framing() const;
  Step block_on_stream();
  Step block_on_slow_client();
  Step cut();

  Worker& worker_;
  Descriptor descriptor_;
  const int fd_;
  const std::string peer_;
  const bool rejected_;
  boost::system::error_code
      wait_error_;  // not looked at: the system call that follows says what is wrong

  std::optional<RequestReader> reader_;  // while a request is being read
  std::string unread_;                   // input that the reader could not take yet
  std::string websocket_key_;            // of a request that is a WebSocket handshake
  std::optional<Response> reply_;
  std::optional<Waiter> waiter_;  // the coroutine, while it waits in `woken`
  std::string unsent_head_;       // the head from where the last write stopped in it
  std::size_t sent_body_ = 0;

  std::shared_ptr<BodyStream> stream_;   // while the answer is streamed
  std::string streamed_;                 // taken from it; sent_body_ bytes of it are sent
  std::weak_ptr<PendingReply> watcher_;  // who wants to know of the client's going away
  bool watching_ = false;                // input is looked at although no request is being read
  bool input_awaited_ = false;           // by watch_input
  bool output_awaited_ = false;          // by await_output
  bool client_gone_ = false;
  bool handed_over_ = false;  // to a WebSocket

  std::optional<Phase> phase_;  // the deadline that runs, or that has passed
  bool overdue_ = false;
  bool closed_ = false;
  bool in_flight_ = false;
  bool answered_ = false;    // there was a request before: the next one has hardly come yet
  bool keep_alive_ = false;  // of the current request, as far as the client is concerned
  bool http_1_0_ = false;
  bool no_body_ = false;  // the current request is HEAD
  bool head_sent_ = false;
  bool lingers_ = false;  // input may come that nobody wants
};

}  // namespace oa::net
