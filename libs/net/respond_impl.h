// The way of an answer from wherever `Respond` is called back to its connection.
//
// Thread-safety: Mailbox and PendingReply can be used from any thread; a ReplyTarget only on its
// I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "libs/net/http_server.h"
#include "libs/net/message.h"
#include "libs/net/stream.h"

namespace oa::net {

class PendingReply;

// A connection that waits for an answer.
class ReplyTarget {
 public:
  virtual ~ReplyTarget() = default;

  // Whether the connection may go on within the call, or only later because the caller is in the
  // midst of something.
  enum class Resume { kNow, kPosted };
  virtual void set_reply(Response response, Resume resume) = 0;
  // Somebody wants to know when the client goes away before `reply` is answered.
  virtual void watch_caller(std::weak_ptr<PendingReply> reply) = 0;
};

// Leads to an I/O thread, and outlives it: what is delivered after `close` is discarded.
class Mailbox {
 public:
  explicit Mailbox(boost::asio::io_context& io) : io_(&io) {}

  // Straight into the target when called on its I/O thread, by a posted call otherwise.
  void deliver(const std::weak_ptr<ReplyTarget>& target, Response response);
  // Calls `call` on the I/O thread, later. False: it is discarded.
  template <typename Call>
  bool post(Call call) {
    std::lock_guard lock(mutex_);
    if (io_ == nullptr) return false;
    boost::asio::post(*io_, std::move(call));
    return true;
  }
  void close();

 private:
  std::mutex mutex_;
  boost::asio::io_context* io_;  // null once closed
};

// One request's one answer; shared by all copies of its Respond. Destroyed unanswered, it answers
// 500.
class PendingReply final : public Caller, public std::enable_shared_from_this<PendingReply> {
 public:
  PendingReply(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<ReplyTarget> target)
      : mailbox_(std::move(mailbox)), target_(std::move(target)) {}
  ~PendingReply() override { abandon(); }
  PendingReply(const PendingReply&) = delete;
  PendingReply& operator=(const PendingReply&) = delete;

  // The second call for one request is a bug and aborts.
  void answer(Response response);
  // Answers 500 unless there is an answer already; an answer that comes later is discarded.
  void abandon();

  void on_gone(std::function<void()> gone) override;
  // The connection's: the client has gone away.
  void caller_gone();
  bool is_open() const;

 private:
  enum class State { kOpen, kAnswered, kAbandoned };

  // What it was before; stays so unless it was open. Drops the callback.
  State close(State to);

  const std::shared_ptr<Mailbox> mailbox_;
  const std::weak_ptr<ReplyTarget> target_;

  mutable std::mutex mutex_;  // guards all below; not held while the callback runs
  State state_ = State::kOpen;
  bool gone_ = false;
  std::function<void()> on_gone_;
};

}  // namespace oa::net
