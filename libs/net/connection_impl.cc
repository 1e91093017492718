#include "libs/net/connection_impl.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "libs/net/websocket.h"
#include "libs/net/websocket_session_impl.h"

namespace oa::net {
namespace asio = boost::asio;
namespace {

// After so many reads, or writes of a stream, in a row the other connections get a turn.
constexpr int kReadsPerTurn = 16;
constexpr int kWritesPerTurn = 16;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

Error too_many_connections(std::size_t limit) {
  return make_error(Code::kUnavailable, "TooManyConnections",
                    "the server has its limit of " + std::to_string(limit) + " connections open");
}

Error too_slow(Phase phase) {
  const std::string what = phase == Phase::kHeaders ? "headers" : "body";
  return make_error(Code::kTimeout, "RequestTimeout",
                    "the request's " + what + " did not arrive in time");
}

Awaitable<void> serve(std::shared_ptr<Connection> connection) {
  using Step = Connection::Step;
  do {
    Step read = connection->read_request();
    while (read == Step::kBlocked) {
      co_await connection->readable();
      read = connection->read_request();
    }
    if (read == Step::kClosed) co_return;
    if (!connection->has_reply()) connection->call_handler();
    while (connection->awaits_reply()) co_await connection->woken();
    Step written = connection->write_reply();
    while (written == Step::kBlocked) {
      co_await connection->writable();
      written = connection->write_reply();
    }
    if (written == Step::kClosed) co_return;
    if (connection->become_websocket()) co_return;
    if (connection->open_stream()) {
      Step streamed = connection->write_stream();
      while (streamed == Step::kBlocked) {
        co_await connection->woken();
        streamed = connection->write_stream();
      }
      if (streamed == Step::kClosed) co_return;
    }
  } while (connection->begin_next());
  while (connection->discard_input() == Step::kBlocked) co_await connection->readable();
}

}  // namespace

void start_connection(Worker& worker, int fd, std::string peer, bool rejected) {
  std::shared_ptr<Connection> connection;
  try {
    connection = std::make_shared<Connection>(worker, fd, std::move(peer), rejected);
  } catch (const std::exception&) {  // the kernel has no memory to watch one more descriptor
    ::close(fd);
    worker.state().on_connection_end(rejected);
    return;
  }
  if (worker.closed()) return;
  asio::co_spawn(worker.io().get_executor(), serve(std::move(connection)), asio::detached);
}

Connection::Connection(Worker& worker, int fd, std::string peer, bool rejected)
    : worker_(worker),
      descriptor_(worker.io(), fd),
      fd_(fd),
      peer_(std::move(peer)),
      rejected_(rejected) {
  worker_.add(*this);
}

Connection::~Connection() {
  ServerState& state = worker_.state();
  if (stream_) stream_->close();
  if (in_flight_) --state.in_flight;
  if (!handed_over_) state.on_connection_end(rejected_);
}

Connection::Step Connection::read_request() {
  if (closed_) return Step::kClosed;
  const ServerLimits& limits = worker_.state().options.limits;
  if (rejected_) return refuse(too_many_connections(limits.connections));
  if (!reader_) {
    reader_.emplace(limits.header_bytes, limits.body_bytes);
    if (!unread_.empty()) {
      if (const Step step = take_input({}); step != Step::kBlocked) return step;
    } else if (answered_ && !worker_.draining()) {
      return block_on_input();
    }
  }
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::recv(fd_, worker_.input(), Worker::kInputBytes, MSG_DONTWAIT);
    if (got == 0) {
      if (!reader_->started()) return Step::kClosed;
      return refuse(make_error(Code::kInvalidRequest, "MalformedRequest",
                               "the connection ended before the request did"));
    }
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Step::kClosed;
      break;
    }
    const auto size = static_cast<std::size_t>(got);
    if (const Step step = take_input({worker_.input(), size}); step != Step::kBlocked) return step;
    if (size < Worker::kInputBytes) break;
  }
  return block_on_input();
}

Connection::Step Connection::take_input(std::string_view fresh) {
  std::string_view input = fresh;
  if (!unread_.empty()) {
    unread_.append(fresh);
    input = unread_;
  }
  const RequestReader::Outcome outcome = reader_->feed(input);
  if (input.empty()) {
    std::string().swap(unread_);
  } else {
    unread_ = std::string(input);
  }
  switch (outcome) {
    case RequestReader::Outcome::kComplete:
      return Step::kDone;
    case RequestReader::Outcome::kRefused:
      return refuse(reader_->refusal());
    case RequestReader::Outcome::kNeedMore:
      break;
  }
  if (reader_->take_continue() && unread_.empty() &&
      ::send(fd_, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
          static_cast<ssize_t>(kContinue.size())) {
    return Step::kClosed;
  }
  return Step::kBlocked;
}

Connection::Step Connection::block_on_input() {
  const Phase phase = reader_->has_headers() ? Phase::kBody
                      : reader_->started()   ? Phase::kHeaders
                                             : Phase::kIdle;
  if (overdue_ && phase_ == phase) {
    return phase == Phase::kIdle ? Step::kClosed : refuse(too_slow(phase));
  }
  if (phase == Phase::kIdle && worker_.draining()) return Step::kClosed;
  if (phase_ != phase) return block(phase);
  return Step::kBlocked;
}

Connection::Step Connection::block(Phase phase) {
  phase_ = phase;
  overdue_ = false;
  worker_.set_deadline(*this, phase);
  return Step::kBlocked;
}

Connection::Step Connection::refuse(const Error& error) {
  if (reader_) no_body_ = reader_->request().method == "HEAD";
  keep_alive_ = false;
  lingers_ = true;
  reply_ = problem_response(error);
  return Step::kDone;
}

// The handler is the caller's code: whatever it throws costs its own request a 500 and nothing
// else.
void Connection::call_handler() {
  Request request = std::move(reader_->request());
  request.peer = peer_;
  keep_alive_ = reader_->keep_alive();
  http_1_0_ = reader_->is_http_1_0();
  no_body_ = request.method == "HEAD";
  websocket_key_.clear();
  if (reader_->has_websocket_key() && !http_1_0_ && require_websocket(request)) {
    websocket_key_ = request.headers.get("sec-websocket-key");
  }
  reader_.reset();
  worker_.clear_deadline(*this);
  phase_.reset();
  in_flight_ = true;
  ++worker_.state().in_flight;

  const auto pending = std::make_shared<PendingReply>(worker_.mailbox(), weak_from_this());
  request.caller = pending;
  const auto& logger = worker_.state().options.logger;
  try {
    worker_.state().handler(std::move(request),
                            [pending](Response response) { pending->answer(std::move(response)); });
    return;
  } catch (const std::exception& e) {
    if (logger) logger->error("request handler failed", {{"error", e.what()}});
  } catch (...) {
    if (logger) logger->error("request handler failed");
  }
  pending->abandon();
}

Awaitable<void> Connection::woken() {
  UseAwaitable token;
  return asio::async_initiate<UseAwaitable, void()>(
      [this](Waiter waiter) { waiter_.emplace(std::move(waiter)); }, token);
}

void Connection::set_reply(Response response, Resume resume) {
  if (closed_) return;
  if (response.websocket && websocket_key_.empty()) {
    response = problem_response(make_error(Code::kInvalidRequest, "UpgradeRequired",
                                           "the request must be a WebSocket handshake"));
  }
  const bool valid = response.status >= 200 && response.status <= 599;
  reply_ = valid ? std::move(response)
                 : problem_response(
                       make_error(Code::kInternal, "the answer's status must be from 200 to 599"));
  wake(resume);
}

void Connection::wake(Resume resume) {
  if (!waiter_) return;
  Waiter waiter = std::move(*waiter_);
  waiter_.reset();
  if (resume == Resume::kNow) {
    waiter();
  } else {
    asio::post(worker_.io(), std::move(waiter));
  }
}

Connection::Step Connection::write_reply() {
  if (closed_ || !has_reply()) return Step::kClosed;
  const bool with_body =
      !no_body_ && has_body(reply_->status) && !reply_->stream && !reply_->websocket;
  std::string_view head;
  if (head_sent_) {
    head = unsent_head_;
  } else {
    keep_alive_ = keep_alive_ && !worker_.draining() &&
                  !same_name(reply_->headers.get("connection"), "close");
    const Framing framing = reply_framing();
    if (framing == Framing::kClose) keep_alive_ = false;
    worker_.output().clear();
    const HeadOptions options{keep_alive_, http_1_0_, worker_.date(),
                              worker_.state().options.extra_headers, framing};
    if (reply_->websocket) {
      append_websocket_head(worker_.output(), *reply_, websocket_accept(websocket_key_), options);
    } else {
      append_head(worker_.output(), *reply_, options);
    }
    head_sent_ = true;
    head = worker_.output();
  }
  for (;;) {
    std::string_view body = with_body ? std::string_view(reply_->body) : std::string_view();
    body.remove_prefix(sent_body_);
    if (head.empty() && body.empty()) return Step::kDone;
    std::array<iovec, 2> parts{iovec{const_cast<char*>(head.data()), head.size()},
                               iovec{const_cast<char*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return Step::kClosed;
      if (overdue_ && phase_ == Phase::kWrite) return Step::kClosed;
      unsent_head_ = std::string(head);
      return phase_ == Phase::kWrite ? Step::kBlocked : block(Phase::kWrite);
    }
    const std::size_t of_head = std::min(static_cast<std::size_t>(sent), head.size());
    head.remove_prefix(of_head);
    sent_body_ += static_cast<std::size_t>(sent) - of_head;
    phase_.reset();  // the client reads: its time starts again
  }
}

bool Connection::become_websocket() {
  if (!reply_->websocket) return false;
  worker_.clear_deadline(*this);
  handed_over_ =
      start_websocket(worker_, descriptor_.release(), unread_, std::move(*reply_->websocket));
  return true;
}

Framing Connection::reply_framing() const {
  if (!reply_->stream || !has_body(reply_->status)) return Framing::kLength;
  return http_1_0_ ? Framing::kClose : Framing::kChunked;
}

// The function that is called is the caller's code, as the handler is.
bool Connection::open_stream() {
  if (!reply_->stream || no_body_ || !has_body(reply_->status)) return false;
  const auto& options = worker_.state().options;
  stream_ = std::make_shared<BodyStream>(worker_.mailbox(), weak_from_this(), !http_1_0_,
                                         options.limits.stream_buffer_bytes);
  if (worker_.draining()) stream_->drain();
  sent_body_ = 0;
  try {
    reply_->stream(make_writer(stream_));
    return true;
  } catch (const std::exception& e) {
    if (options.logger) options.logger->error("stream failed to start", {{"error", e.what()}});
  } catch (...) {
    if (options.logger) options.logger->error("stream failed to start");
  }
  stream_->abandon();
  return true;
}

Connection::Step Connection::write_stream() {
  for (int i = 0; i < kWritesPerTurn; ++i) {
    BodyStream::State state = stream_->look();
    if (closed_ || (client_gone_ && state != BodyStream::State::kEnded)) return Step::kClosed;
    if (state == BodyStream::State::kBroken) return cut();
    if (sent_body_ == streamed_.size()) {
      std::string().swap(streamed_);  // a stream that waits holds no buffer
      sent_body_ = 0;
      state = stream_->take(streamed_);
      if (streamed_.empty() && state == BodyStream::State::kEnded) return Step::kDone;
      if (streamed_.empty() && state == BodyStream::State::kOpen) return block_on_stream();
    }
    const std::string_view left = std::string_view(streamed_).substr(sent_body_);
    const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? block_on_slow_client() : Step::kClosed;
    }
    sent_body_ += static_cast<std::size_t>(sent);
    stream_->on_sent(static_cast<std::size_t>(sent));
    phase_.reset();  // the client reads: its time starts again
  }
  asio::post(worker_.io(), [self = weak_from_this()] {
    if (const auto open = self.lock()) open->wake(Resume::kNow);
  });
  return Step::kBlocked;
}

Connection::Step Connection::block_on_stream() {
  worker_.clear_deadline(*this);
  phase_.reset();
  watch_input();
  return Step::kBlocked;
}

Connection::Step Connection::block_on_slow_client() {
  if (overdue_ && phase_ == Phase::kWrite) return cut();
  watch_input();
  await_output();
  return phase_ == Phase::kWrite ? Step::kBlocked : block(Phase::kWrite);
}

// With a reset, by which a client that knows no chunks can tell that the body is not whole, and
// which frees what the kernel still holds for it.
Connection::Step Connection::cut() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  return Step::kClosed;
}

void Connection::await_output() {
  if (std::exchange(output_awaited_, true)) return;
  descriptor_.async_wait(Descriptor::wait_write,
                         [self = weak_from_this()](const boost::system::error_code&) {
                           const auto open = self.lock();
                           if (!open) return;
                           open->output_awaited_ = false;
                           open->wake(Resume::kNow);
                         });
}

void Connection::watch_caller(std::weak_ptr<PendingReply> reply) {
  const auto pending = reply.lock();
  if (closed_ || !pending || !pending->is_open()) return;
  watcher_ = std::move(reply);
  if (client_gone_) return pending->caller_gone();
  watch_input();
}

// A client that sends requests ahead is read from until as much waits as one read can bring; after
// that, its going away is noticed when it is written to.
void Connection::watch_input() {
  watching_ = true;
  if (input_awaited_ || client_gone_ || unread_.size() >= Worker::kInputBytes) return;
  input_awaited_ = true;
  descriptor_.async_wait(Descriptor::wait_read,
                         [self = weak_from_this()](const boost::system::error_code&) {
                           if (const auto open = self.lock()) open->on_watched_input();
                         });
}

void Connection::on_watched_input() {
  input_awaited_ = false;
  if (closed_ || !watching_) return;
  const ssize_t got = ::recv(fd_, worker_.input(), Worker::kInputBytes, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return on_client_gone();
  if (got > 0) unread_.append(worker_.input(), static_cast<std::size_t>(got));
  watch_input();
}

void Connection::on_client_gone() {
  client_gone_ = true;
  if (const auto pending = watcher_.lock()) pending->caller_gone();
  if (stream_) wake(Resume::kNow);
}

bool Connection::begin_next() {
  reply_.reset();
  stream_.reset();
  watching_ = false;
  unsent_head_ = {};
  sent_body_ = 0;
  head_sent_ = false;
  if (in_flight_) {
    in_flight_ = false;
    --worker_.state().in_flight;
  }
  answered_ = true;
  phase_.reset();
  overdue_ = false;
  if (!keep_alive_) ::shutdown(fd_, SHUT_WR);
  return keep_alive_;
}

Connection::Step Connection::discard_input() {
  if (closed_) return Step::kClosed;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::recv(fd_, worker_.input(), Worker::kInputBytes, MSG_DONTWAIT);
    if (got == 0) return Step::kDone;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return Step::kClosed;
    if (got < 0) break;
    lingers_ = true;
  }
  if (!lingers_ || overdue_) return Step::kDone;
  return phase_ == Phase::kLinger ? Step::kBlocked : block(Phase::kLinger);
}

void Connection::on_deadline() {
  overdue_ = true;
  descriptor_.cancel(wait_error_);
}

void Connection::on_drain() {
  if (stream_) stream_->drain();
  if (phase_ == Phase::kIdle) descriptor_.cancel(wait_error_);
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  reply_.reset();
  descriptor_.close(wait_error_);
  wake(Resume::kPosted);
}

}  // namespace oa::net
