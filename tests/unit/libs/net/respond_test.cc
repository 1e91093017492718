#include <memory>
#include <optional>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "libs/net/respond_impl.h"

namespace oa::net {
namespace {

class Target : public ReplyTarget {
 public:
  void set_reply(Response response, Resume resume) override {
    ++replies;
    status = response.status;
    last_resume = resume;
  }
  void watch_caller(std::weak_ptr<PendingReply> reply) override {
    if (const auto open = reply.lock()) open->caller_gone();
  }
  int replies = 0;
  int status = 0;
  std::optional<Resume> last_resume;
};

class PendingReplyTest : public testing::Test {
 protected:
  boost::asio::io_context io_;
  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(io_);
  std::shared_ptr<Target> target_ = std::make_shared<Target>();
};

TEST_F(PendingReplyTest, travels_to_the_io_thread) {
  PendingReply(mailbox_, target_).answer({201, {}, ""});
  EXPECT_EQ(target_->replies, 0);
  io_.run();
  EXPECT_EQ(target_->replies, 1);
  EXPECT_EQ(target_->status, 201);
  EXPECT_EQ(target_->last_resume, ReplyTarget::Resume::kNow);
}

TEST_F(PendingReplyTest, takes_the_short_way_on_the_io_thread) {
  boost::asio::post(io_, [this] {
    PendingReply(mailbox_, target_).answer({201, {}, ""});
    EXPECT_EQ(target_->replies, 1);
    EXPECT_EQ(target_->last_resume, ReplyTarget::Resume::kPosted);
  });
  io_.run();
}

TEST_F(PendingReplyTest, is_500_when_dropped) {
  { const PendingReply dropped(mailbox_, target_); }
  io_.run();
  EXPECT_EQ(target_->replies, 1);
  EXPECT_EQ(target_->status, 500);
}

TEST_F(PendingReplyTest, comes_once_when_abandoned_and_then_answered) {
  {
    PendingReply reply(mailbox_, target_);
    reply.abandon();
    reply.answer({200, {}, ""});
  }
  io_.run();
  EXPECT_EQ(target_->replies, 1);
  EXPECT_EQ(target_->status, 500);
}

TEST_F(PendingReplyTest, is_discarded_when_the_connection_has_gone) {
  PendingReply reply(mailbox_, target_);
  target_.reset();
  reply.answer({200, {}, ""});
  EXPECT_EQ(io_.run(), 1u);
}

TEST_F(PendingReplyTest, is_discarded_when_the_server_has_gone) {
  PendingReply reply(mailbox_, target_);
  mailbox_->close();
  reply.answer({200, {}, ""});
  EXPECT_EQ(io_.run(), 0u);
  EXPECT_EQ(target_->replies, 0);
}

TEST_F(PendingReplyTest, asks_the_connection_to_watch_the_caller) {
  const auto reply = std::make_shared<PendingReply>(mailbox_, target_);
  int gone = 0;
  reply->on_gone([&] { ++gone; });
  EXPECT_EQ(gone, 0);
  io_.run();
  EXPECT_EQ(gone, 1);
  reply->on_gone([&] { ++gone; });
  EXPECT_EQ(gone, 2);
}

TEST_F(PendingReplyTest, does_not_watch_a_caller_who_has_the_answer) {
  const auto reply = std::make_shared<PendingReply>(mailbox_, target_);
  const auto held = std::make_shared<int>(0);
  reply->on_gone([held] { ++*held; });
  reply->answer({200, {}, ""});
  EXPECT_EQ(held.use_count(), 1);
  reply->on_gone([held] { ++*held; });
  io_.run();
  EXPECT_EQ(*held, 0);
}

TEST_F(PendingReplyTest, given_twice_is_a_bug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  PendingReply reply(mailbox_, target_);
  reply.answer({200, {}, ""});
  EXPECT_DEATH(reply.answer({200, {}, ""}), "Respond was called twice");
}

}  // namespace
}  // namespace oa::net
