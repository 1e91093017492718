#include "runtime-pod/handlers/context_api.h"

#include <gtest/gtest.h>

#include "libs/net/url.h"
#include "tests/support/http_client.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/runtime-pod/handlers/recording_context.h"

namespace oa::runtime {
namespace {

using test::HttpReply;

struct ContextApiTest : testing::Test {
  ContextApiTest() {
    const auto opened = api.open(test::tick_input({}, context));
    EXPECT_TRUE(opened.ok());
    access = *opened;
    port = net::parse_url(access.url)->port;
  }

  HttpReply call(std::string_view method, const std::string& path, std::string_view body = {},
                 std::vector<std::pair<std::string, std::string>> headers = {}) const {
    headers.emplace_back("Authorization", "Bearer " + access.token);
    test::HttpClient client(port);
    return client.request(method, "/v1/" + path, body, headers);
  }

  test::ManualClock clock{test::kTickTime};
  std::shared_ptr<test::RecordingContext> context = std::make_shared<test::RecordingContext>();
  ContextApi api{"127.0.0.1:0", clock, test::silent_logger(clock)};
  ContextAccess access;
  int port = 0;
};

TEST_F(ContextApiTest, takes_no_token_but_that_of_a_tick_that_runs) {
  EXPECT_EQ(access.token.size(), 43u);
  test::HttpClient client(port);
  EXPECT_EQ(client.request("GET", "/v1/status").status, 401);
  EXPECT_EQ(client.request("GET", "/v1/status", {}, {{"Authorization", "Bearer x"}}).status, 401);
  EXPECT_EQ(call("GET", "status").status, 200);
  context->end();
  EXPECT_EQ(call("GET", "status").status, 401);
}

TEST_F(ContextApiTest, gives_every_attempt_a_token_of_its_own) {
  auto other = std::make_shared<test::RecordingContext>();
  const auto opened = api.open(test::tick_input({}, other));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->url, access.url);
  EXPECT_NE(opened->token, access.token);
  other->end();
  EXPECT_EQ(call("GET", "status").status, 200);
}

TEST_F(ContextApiTest, reads_and_writes_keys) {
  context->stored["a/b"] = "value";
  const HttpReply found = call("GET", "kv/a%2Fb");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body, "value");
  EXPECT_EQ(found.header("content-type"), "text/plain");
  EXPECT_EQ(call("GET", "kv/none").status, 404);
  EXPECT_EQ(call("PUT", "kv/k", "bytes", {{"Content-Type", "image/png"}}).status, 204);
  EXPECT_EQ(call("DELETE", "kv/k").status, 204);
  ASSERT_EQ(context->writes.kv.size(), 2u);
  EXPECT_EQ(context->writes.kv[0].value, "bytes");
  EXPECT_EQ(context->writes.kv[0].content_type, "image/png");
  EXPECT_FALSE(context->writes.kv[1].value);
  EXPECT_EQ(call("PUT", "kv/" + std::string(600, 'k'), "x").status, 400);
  EXPECT_EQ(call("PUT", "kv/k", std::string(kMaxKvValueBytes + 1, 'x')).status, 413);
}

TEST_F(ContextApiTest, lists_keys_in_pages) {
  for (const char* key : {"a1", "a2", "a3", "b"}) context->stored[key] = "xy";
  EXPECT_EQ(Json::parse(call("GET", "kv?prefix=a&limit=2").body),
            Json::parse(R"({"items": [{"key": "a1", "bytes": 2, "contentType": "text/plain"},
                                      {"key": "a2", "bytes": 2, "contentType": "text/plain"}],
                            "cursor": "a2"})"));
  EXPECT_EQ(Json::parse(call("GET", "kv?prefix=a&cursor=a2").body)["items"].size(), 1u);
  EXPECT_EQ(call("GET", "kv?limit=0").status, 400);
}

TEST_F(ContextApiTest, adds_to_the_write_set) {
  EXPECT_EQ(call("POST", "alarms", R"({"name": "n", "in": "10s"})").status, 204);
  EXPECT_EQ(call("DELETE", "alarms/m").status, 204);
  EXPECT_EQ(call("POST", "send", R"({"to": "other", "payload": 1})").status, 204);
  ASSERT_EQ(context->writes.alarms.size(), 2u);
  EXPECT_EQ(std::get<AlarmSet>(context->writes.alarms[0]).at,
            clock.now() + std::chrono::seconds(10));
  EXPECT_EQ(std::get<AlarmCancel>(context->writes.alarms[1]).name, "m");
  EXPECT_EQ(context->writes.sends.size(), 1u);
}

TEST_F(ContextApiTest, answers_an_effect_with_what_became_of_it) {
  const char* effect = R"({"key": "k", "http": {"url": "http://h/pay", "body": {"n": 1}}})";
  EXPECT_EQ(Json::parse(call("POST", "effects", effect).body),
            Json::parse(R"({"key": "k", "delivered": true, "status": 201, "body": "made"})"));
  context->outcome = {.error = make_error(Code::kTimeout, "TooOld", "no answer")};
  const HttpReply failed = call("POST", "effects", effect);
  EXPECT_EQ(failed.status, 200);
  EXPECT_EQ(Json::parse(failed.body)["error"],
            Json::parse(R"({"code": "TIMEOUT", "reason": "TooOld", "detail": "no answer"})"));
  EXPECT_EQ(call("POST", "compensations", effect).status, 204);
  EXPECT_EQ(context->compensations.size(), 1u);
}

TEST_F(ContextApiTest, journals_steps) {
  const std::vector<std::pair<std::string, std::string>> hash = {{"Agent-Input-Hash", "h"}};
  EXPECT_EQ(call("GET", "steps/charge/0", {}, hash).status, 404);
  EXPECT_EQ(call("PUT", "steps/charge/0", "result", hash).status, 204);
  const HttpReply found = call("GET", "steps/charge/0", {}, hash);
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body, "result");
  EXPECT_EQ(call("GET", "steps/charge/0", {}, {{"Agent-Input-Hash", "other"}}).status, 409);
  EXPECT_EQ(call("GET", "steps/charge/-1", {}, hash).status, 400);
}

TEST_F(ContextApiTest, asks_people_and_tells_watchers) {
  EXPECT_EQ(Json::parse(call("POST", "approvals", R"({"name": "n", "question": "ok?"})").body),
            Json::parse(R"({"id": "a-1", "status": "Approved", "note": "go on"})"));
  EXPECT_EQ(call("POST", "heartbeat", R"({"next": "10s"})").status, 204);
  EXPECT_EQ(context->beats, std::vector<Duration>{std::chrono::seconds(10)});
  EXPECT_EQ(call("POST", "log", R"({"level": "warn", "text": "w"})").status, 204);
  EXPECT_EQ(context->logged.at(0), (std::pair<std::string, std::string>{"warn", "w"}));
  EXPECT_EQ(call("POST", "delta", R"({"text": "d"})").status, 204);
  EXPECT_EQ(call("POST", "emit", R"({"event": "progress", "data": {"done": 1}})").status, 204);
  EXPECT_EQ(call("POST", "emit", R"({"event": "tick_end", "data": {}})").status, 400);
  EXPECT_EQ(context->emitted.size(), 2u);
  EXPECT_EQ(call("POST", "usage", R"({"tokensIn": 3})").status, 204);
  EXPECT_EQ(context->usage.tokens_in, 3);
}

TEST_F(ContextApiTest, tells_of_the_tick) {
  EXPECT_EQ(Json::parse(call("GET", "status").body),
            Json::parse(R"({"tickId": "t-000000000042", "attempt": 2,
                            "deadline": "2027-01-15T08:00:30.000Z", "cancelled": false})"));
}

TEST_F(ContextApiTest, refuses_what_it_does_not_have) {
  EXPECT_EQ(call("GET", "nothing").status, 404);
  EXPECT_EQ(call("GET", "alarms").status, 405);
  const HttpReply bad = call("POST", "alarms", R"({"in": "soon"})");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.header("content-type"), "application/problem+json");
  EXPECT_EQ(Json::parse(bad.body)["errors"][0]["path"], "in");
  EXPECT_EQ(call("POST", "alarms", "{").status, 400);
}

TEST(ContextApi, says_that_it_cannot_listen) {
  test::ManualClock clock;
  ContextApi api("unix:/tmp/x", clock, test::silent_logger(clock));
  EXPECT_FALSE(api.open(test::tick_input({}, std::make_shared<test::RecordingContext>())).ok());
}

TEST(ContextApi, is_outlived_by_attempts) {
  test::ManualClock clock;
  auto context = std::make_shared<test::RecordingContext>();
  {
    ContextApi api("127.0.0.1:0", clock, test::silent_logger(clock));
    ASSERT_TRUE(api.open(test::tick_input({}, context)).ok());
  }
  context->end();
}

}  // namespace
}  // namespace oa::runtime
