#include "libs/net/websocket_session_impl.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/error_code.hpp>

#include "libs/net/websocket_core_impl.h"
#include "libs/net/websocket_frames_impl.h"

namespace oa::net {
namespace {

using Executor = boost::asio::io_context::executor_type;
using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

// After so many reads or writes in a row the other connections get a turn.
constexpr int kCallsPerTurn = 16;

class Session;

// A deadline beside the one that every Served has.
class Deadline final : public Served {
 public:
  explicit Deadline(Session& session) : session_(session) {}
  void on_deadline() override;
  void on_drain() override {}
  void close() override {}

  bool is_set = false;

 private:
  Session& session_;
};

class Session final : public Served,
                      public OutputTarget,
                      public std::enable_shared_from_this<Session> {
 public:
  Session(Worker& worker, int fd)
      : worker_(worker),
        descriptor_(worker.io(), fd),
        fd_(fd),
        reader_(worker.state().options.limits.websocket_message_bytes) {
    worker_.add(*this);
  }
  ~Session() override { worker_.state().on_connection_end(false); }

  void open(std::string_view input, const WebSocketAccept& accept);
  void on_output() override { advance(); }
  void on_deadline() override;
  void on_drain() override { core_->close(close_code::kGoingAway, "the server is shutting down"); }
  void close() override { end(true); }
  // With a reset, which frees what the kernel still holds for the client.
  void cut();

 private:
  void on_readable();
  void take_input(std::string_view input);
  void advance();
  bool write();
  void block_on_slow_client();
  void await_input();
  void await_output();
  void set_idle_deadlines(const WebSocketCore::Status& status);
  void end(bool server_ends);

  Worker& worker_;
  Descriptor descriptor_;
  const int fd_;
  FrameReader reader_;
  std::shared_ptr<WebSocketCore> core_;
  std::shared_ptr<Session> self_;  // until it ends
  std::string output_;             // taken from the core; sent_ bytes of it are sent
  std::size_t sent_ = 0;
  bool input_awaited_ = false;
  bool output_awaited_ = false;
  bool discards_ = false;   // input no longer counts
  bool shut_down_ = false;  // our side of the connection
  bool heard_ = true;       // from the client since its deadline was set
  bool pinged_ = false;     // and no byte has come since
  Deadline write_deadline_{*this};
  Deadline close_deadline_{*this};
};

void Deadline::on_deadline() { session_.cut(); }

void Session::open(std::string_view input, const WebSocketAccept& accept) {
  self_ = shared_from_this();
  core_ = std::make_shared<WebSocketCore>(worker_.mailbox(), weak_from_this(),
                                          worker_.state().options.limits);
  const auto& logger = worker_.state().options.logger;
  try {
    accept.opened(make_websocket(core_));  // the caller's code, as the handler is
  } catch (const std::exception& e) {
    if (logger) logger->error("websocket failed to open", {{"error", e.what()}});
    core_->close(close_code::kInternal, "");
  } catch (...) {
    if (logger) logger->error("websocket failed to open");
    core_->close(close_code::kInternal, "");
  }
  if (worker_.draining()) on_drain();
  take_input(input);
  advance();
}

void Session::on_readable() {
  if (!self_) return;
  for (int i = 0; i < kCallsPerTurn; ++i) {
    const ssize_t got = ::recv(fd_, worker_.input(), Worker::kInputBytes, MSG_DONTWAIT);
    if (got == 0) return end(false);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return end(false);
      break;
    }
    heard_ = true;
    const auto size = static_cast<std::size_t>(got);
    take_input({worker_.input(), size});
    if (size < Worker::kInputBytes || !core_->look().takes_input) break;
  }
  advance();
}

void Session::take_input(std::string_view input) {
  while (!discards_ && !input.empty()) {
    std::optional<FrameEvent> event = reader_.next(input);
    if (!event) return;
    discards_ =
        event->kind == FrameEvent::Kind::kClose || event->kind == FrameEvent::Kind::kFailure;
    core_->receive(*std::move(event));
  }
}

// Does what can be done now, and waits for the rest.
void Session::advance() {
  if (!self_) return;
  core_->look();  // from here on, what is new is notified anew
  core_->deliver();
  if (!write()) return;
  const WebSocketCore::Status status = core_->look();
  if (status.close_sent && !std::exchange(close_deadline_.is_set, true)) {
    worker_.set_deadline(close_deadline_, Phase::kSocketClose);
  }
  if (!status.has_output && status.close_received) return end(false);
  if (!status.has_output && status.failed && !std::exchange(shut_down_, true)) {
    ::shutdown(fd_, SHUT_WR);
  }
  set_idle_deadlines(status);
  if (status.takes_input || status.close_sent) await_input();
}

// False if the session has ended.
bool Session::write() {
  for (int i = 0; i < kCallsPerTurn; ++i) {
    if (sent_ == output_.size()) {
      std::string().swap(output_);  // a socket that waits holds no buffer
      sent_ = 0;
      core_->take(output_);
      if (output_.empty()) return true;
    }
    const std::string_view left = std::string_view(output_).substr(sent_);
    const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        block_on_slow_client();
        return true;
      }
      end(false);
      return false;
    }
    sent_ += static_cast<std::size_t>(sent);
    core_->on_sent(static_cast<std::size_t>(sent));
    // The client reads: its time starts again.
    if (std::exchange(write_deadline_.is_set, false)) worker_.clear_deadline(write_deadline_);
  }
  await_output();
  return true;
}

void Session::block_on_slow_client() {
  if (!std::exchange(write_deadline_.is_set, true)) {
    worker_.set_deadline(write_deadline_, Phase::kWrite);
  }
  await_output();
}

void Session::await_output() {
  if (std::exchange(output_awaited_, true)) return;
  descriptor_.async_wait(Descriptor::wait_write,
                         [self = weak_from_this()](const boost::system::error_code&) {
                           const auto session = self.lock();
                           if (!session) return;
                           session->output_awaited_ = false;
                           session->advance();
                         });
}

void Session::await_input() {
  if (std::exchange(input_awaited_, true)) return;
  descriptor_.async_wait(Descriptor::wait_read,
                         [self = weak_from_this()](const boost::system::error_code&) {
                           const auto session = self.lock();
                           if (!session) return;
                           session->input_awaited_ = false;
                           session->on_readable();
                         });
}

// A client that is not read from cannot be heard, and one that was sent a close frame has a
// deadline of its own.
void Session::set_idle_deadlines(const WebSocketCore::Status& status) {
  if (!status.takes_input || status.close_sent) {
    worker_.clear_deadline(*this);
    heard_ = true;
  } else if (std::exchange(heard_, false)) {
    pinged_ = false;
    worker_.set_deadline(*this, Phase::kSocketIdle);
  }
}

void Session::on_deadline() {
  if (pinged_) return cut();
  pinged_ = true;
  core_->ping();
  worker_.set_deadline(*this, Phase::kSocketPing);
}

void Session::cut() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  end(false);
}

// The session itself goes later: its caller may be in the midst of it, or of the worker's list.
void Session::end(bool server_ends) {
  if (!self_) return;
  worker_.post([self = std::move(self_)] {});
  worker_.clear_deadline(*this);
  worker_.clear_deadline(write_deadline_);
  worker_.clear_deadline(close_deadline_);
  boost::system::error_code ignored;
  descriptor_.close(ignored);
  core_->finish(server_ends);
}

}  // namespace

bool start_websocket(Worker& worker, int fd, std::string_view input, WebSocketAccept accept) {
  std::shared_ptr<Session> session;
  try {
    session = std::make_shared<Session>(worker, fd);
  } catch (const std::exception&) {  // the kernel has no memory to watch one more descriptor
    ::close(fd);
    return false;
  }
  session->open(input, accept);
  return true;
}

}  // namespace oa::net
