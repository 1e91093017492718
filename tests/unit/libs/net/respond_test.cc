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

TEST_F(PendingReplyTest, given_twice_is_a_bug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  PendingReply reply(mailbox_, target_);
  reply.answer({200, {}, ""});
  EXPECT_DEATH(reply.answer({200, {}, ""}), "Respond was called twice");
}

}  // namespace
}  // namespace oa::net
