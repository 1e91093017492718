#include "runtime-pod/agent/outbox_http.h"

#include <optional>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

class HeldClient : public net::HttpClient {
 public:
  net::ClientHandle send(net::ClientRequest given, Done answered) override {
    request = std::move(given);
    done = std::move(answered);
    return {};
  }

  net::ClientRequest request;
  Done done;
};

class HttpSenderTest : public testing::Test {
 protected:
  HttpSenderTest() {
    sender.send({"PUT", "http://a:81/x?y", {{"X-A", "1"}, {"X-A", "2"}}, "body"},
                [this](Result<OutgoingAnswer> answer) { got.emplace(std::move(answer)); });
  }

  HeldClient client;
  HttpSender sender{client, std::chrono::seconds(5)};
  std::optional<Result<OutgoingAnswer>> got;
};

TEST_F(HttpSenderTest, makes_the_request_as_it_is) {
  EXPECT_EQ(client.request.method, "PUT");
  EXPECT_EQ(client.request.url, (net::Url{"http", "a", 81, "/x?y"}));
  EXPECT_EQ(client.request.headers.fields().size(), 2);
  EXPECT_EQ(client.request.body, "body");
  EXPECT_EQ(client.request.timeout, std::chrono::seconds(5));
}

TEST_F(HttpSenderTest, answers_with_the_beginning_of_the_body) {
  client.request.on_head({.status = 200});
  EXPECT_TRUE(client.request.on_body("abc"));
  EXPECT_FALSE(client.request.on_body(std::string(kMaxOutcomeBytes, 'x')));
  client.done({make_error(Code::kUnavailable, "Cancelled", "by the caller"), true});
  ASSERT_TRUE(got && *got);
  EXPECT_EQ((*got)->status, 200);
  EXPECT_EQ((*got)->body.size(), kMaxOutcomeBytes);
}

TEST_F(HttpSenderTest, passes_on_what_was_refused_and_until_when) {
  client.request.on_head({.status = 503, .headers = {{"retry-after", "7"}}});
  client.done({net::ClientResponse{503, {}, "sick"}, true});
  ASSERT_TRUE(got && *got);
  EXPECT_EQ((*got)->status, 503);
  EXPECT_EQ((*got)->retry_after, "7");
  EXPECT_EQ((*got)->body, "sick");
}

TEST_F(HttpSenderTest, a_body_that_breaks_off_is_no_answer) {
  client.request.on_head({.status = 200});
  EXPECT_TRUE(client.request.on_body("abc"));
  client.done({make_error(Code::kUnavailable, "ConnectionLost", "x"), true});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->error().reason, "ConnectionLost");
}

TEST_F(HttpSenderTest, refuses_what_is_no_url) {
  sender.send({"GET", "ftp://a", {}, ""},
              [this](Result<OutgoingAnswer> answer) { got.emplace(std::move(answer)); });
  ASSERT_TRUE(got);
  EXPECT_EQ(got->error().code, Code::kInvalidRequest);
}

}  // namespace
}  // namespace oa::runtime
