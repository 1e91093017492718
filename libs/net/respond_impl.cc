#include "libs/net/respond_impl.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <boost/asio/post.hpp>

#include "core/error.h"

namespace oa::net {
namespace {

// Posted to the I/O thread. Holds nothing that would keep the server or the connection alive.
struct Delivery {
  std::weak_ptr<ReplyTarget> target;
  Response response;

  void operator()() {
    if (const auto open = target.lock()) {
      open->set_reply(std::move(response), ReplyTarget::Resume::kNow);
    }
  }
};

}  // namespace

void Mailbox::deliver(const std::weak_ptr<ReplyTarget>& target, Response response) {
  std::unique_lock lock(mutex_);
  if (io_ == nullptr) return;
  if (!io_->get_executor().running_in_this_thread()) {
    boost::asio::post(*io_, Delivery{target, std::move(response)});
    return;
  }
  lock.unlock();
  if (const auto open = target.lock()) {
    open->set_reply(std::move(response), ReplyTarget::Resume::kPosted);
  }
}

void Mailbox::close() {
  std::lock_guard lock(mutex_);
  io_ = nullptr;
}

void PendingReply::answer(Response response) {
  switch (close(State::kAnswered)) {
    case State::kOpen:
      mailbox_->deliver(target_, std::move(response));
      return;
    case State::kAnswered:
      std::fputs("net: Respond was called twice for one request\n", stderr);
      std::abort();
    case State::kAbandoned:
      return;
  }
}

void PendingReply::abandon() {
  if (close(State::kAbandoned) != State::kOpen) return;
  mailbox_->deliver(target_, problem_response(make_error(
                                 Code::kInternal, "the request was dropped without an answer")));
}

PendingReply::State PendingReply::close(State to) {
  std::function<void()> dropped;  // after the lock: its destructor may call back
  std::lock_guard lock(mutex_);
  const State before = state_;
  if (before == State::kOpen) {
    state_ = to;
    dropped.swap(on_gone_);
  }
  return before;
}

void PendingReply::on_gone(std::function<void()> gone) {
  bool gone_already = false;
  {
    std::lock_guard lock(mutex_);
    if (state_ != State::kOpen) return;
    gone_already = gone_;
    if (!gone_already) on_gone_.swap(gone);
  }
  if (gone_already) {
    gone();
  } else {
    mailbox_->post([target = target_, self = weak_from_this()] {
      if (const auto open = target.lock()) open->watch_caller(self);
    });
  }
}

void PendingReply::caller_gone() {
  std::function<void()> gone;
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
    gone.swap(on_gone_);
  }
  if (gone) gone();
}

bool PendingReply::is_open() const {
  std::lock_guard lock(mutex_);
  return state_ == State::kOpen;
}

}  // namespace oa::net
