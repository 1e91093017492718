#include "runtime-pod/agent/outbox_request.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Verdict = Attempted::Verdict;

const Time kNow(seconds(784'111'777));  // Sun, 06 Nov 1994 08:49:37 GMT

Verdict verdict_of(int status) {
  return judge({"POST", "http://a/", {}, ""}, OutgoingAnswer{status, "", ""}, kNow).verdict;
}

TEST(Judge, tells_by_the_status_whether_to_try_again) {
  for (const int status : {200, 201, 202, 204, 299}) {
    EXPECT_EQ(verdict_of(status), Verdict::kDelivered) << status;
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(verdict_of(status), Verdict::kRetry) << status;
  }
  for (const int status : {301, 304, 400, 401, 403, 404, 409, 413, 422}) {
    EXPECT_EQ(verdict_of(status), Verdict::kFailed) << status;
  }
}

TEST(Judge, tries_again_what_never_got_there_and_gives_up_what_must_not) {
  const auto of = [](Code code, std::string reason) {
    return judge({}, make_error(code, std::move(reason), "x"), kNow).verdict;
  };
  EXPECT_EQ(of(Code::kUnavailable, "ConnectFailed"), Verdict::kRetry);
  EXPECT_EQ(of(Code::kTimeout, "ResponseTimeout"), Verdict::kRetry);
  EXPECT_EQ(of(Code::kRuntimeError, "MalformedAnswer"), Verdict::kRetry);
  EXPECT_EQ(of(Code::kUnauthorized, "AddressRefused"), Verdict::kFailed);
  EXPECT_EQ(of(Code::kInvalidRequest, ""), Verdict::kFailed);
}

TEST(Judge, keeps_the_beginning_of_a_long_answer) {
  const auto attempted =
      judge({}, OutgoingAnswer{200, "", std::string(kMaxOutcomeBytes + 1, 'x')}, kNow);
  EXPECT_EQ(attempted.outcome.body.size(), kMaxOutcomeBytes);
}

TEST(JudgeDelivery, takes_a_repeat_for_delivered) {
  EXPECT_EQ(judge_delivery({}).verdict, Verdict::kDelivered);
  EXPECT_EQ(judge_delivery(make_error(Code::kConflict, "Duplicate", "x")).verdict,
            Verdict::kDelivered);
  EXPECT_EQ(judge_delivery(make_error(Code::kRateLimited, "x")).verdict, Verdict::kRetry);
  EXPECT_EQ(judge_delivery(make_error(Code::kNotFound, "x")).verdict, Verdict::kFailed);
}

TEST(ParseRetryAfter, reads_seconds_and_dates) {
  EXPECT_EQ(parse_retry_after("120", kNow), seconds(120));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:50:37 GMT", kNow), minutes(1));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", kNow), seconds(0));
  EXPECT_EQ(parse_retry_after("99999999999", kNow), std::chrono::hours(24));
  for (const char* text :
       {"", "-1", "soon", "1.5", "99999999999999999999999", "Sun, 06 Nov 1994 08:50:37 GMT!"}) {
    EXPECT_EQ(parse_retry_after(text, kNow), seconds(0)) << text;
  }
}

TEST(OutboxBackoff, doubles_up_to_five_minutes_less_some_jitter) {
  EXPECT_EQ(outbox_backoff(1, 0), seconds(1));
  EXPECT_EQ(outbox_backoff(4, 0), seconds(8));
  EXPECT_EQ(outbox_backoff(4, 0.5), seconds(6));
  EXPECT_EQ(outbox_backoff(10, 0), minutes(5));
  EXPECT_EQ(outbox_backoff(1'000'000, 0), minutes(5));
}

TEST(MakeOutgoing, leaves_an_idempotency_key_of_the_effects_own) {
  OutboxRow row;
  row.effect.key = "charge-17";
  row.effect.url = "http://a/";
  row.effect.headers = {{"idempotency-key", "mine"}, {"Authorization", "x"}, {"X-A", "1"}};
  const Outgoing request = make_outgoing(row, 7, "", kNow);
  EXPECT_EQ(request.headers, (decltype(request.headers){
                                 {"idempotency-key", "mine"}, {"X-A", "1"}, {"Agent-Epoch", "7"}}));
}

}  // namespace
}  // namespace oa::runtime
