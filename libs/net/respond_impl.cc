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
  switch (state_.exchange(State::kAnswered)) {
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
  State open = State::kOpen;
  if (!state_.compare_exchange_strong(open, State::kAbandoned)) return;
  mailbox_->deliver(target_, problem_response(make_error(
                                 Code::kInternal, "the request was dropped without an answer")));
}

}  // namespace oa::net
