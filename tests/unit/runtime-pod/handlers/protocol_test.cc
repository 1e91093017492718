#include "runtime-pod/handlers/protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/handlers/recording_context.h"

namespace oa::runtime {
namespace {

using Status = TickOutcome::Status;
using std::chrono::seconds;
using test::kTickTime;
using testing::HasSubstr;

Payload text(std::string words) { return {.kind = Payload::Kind::kText, .data = std::move(words)}; }

TickOutcome read(const std::string& answer) { return read_answer(answer, kTickTime); }

TEST(TickDocument, says_who_why_and_until_when) {
  TickInput input = test::tick_input(
      {.kind = Payload::Kind::kJson, .json = {{"text", "hi"}}, .content_type = "application/json"});
  input.state = std::make_shared<const Json>(Json{{"n", 1}});
  EXPECT_EQ(Json::parse(tick_document(input, {"http://127.0.0.1:8079/v1", "secret"})),
            Json::parse(R"({"version": "v1",
      "agent": {"namespace": "shop", "name": "clerk", "uid": "u-1"},
      "tickId": "t-000000000042", "attempt": 2, "epoch": 7, "deadline": "2027-01-15T08:00:30.000Z",
      "trigger": {"type": "Request", "envelope": {"id": "e-1", "source": "http",
        "time": "2027-01-15T08:00:00.000Z", "contentType": "application/json",
        "payload": {"text": "hi"}}},
      "state": {"n": 1},
      "context": {"url": "http://127.0.0.1:8079/v1", "token": "secret"}})"));
}

TEST(TickDocument, carries_text_and_bytes) {
  const auto envelope_of = [](Payload payload) {
    return Json::parse(
        tick_document(test::tick_input(std::move(payload)), {}))["trigger"]["envelope"];
  };
  EXPECT_EQ(envelope_of(text("a \"b\" \u00e4"))["payload"], "a \"b\" \u00e4");
  const Json bytes = envelope_of({.kind = Payload::Kind::kBytes,
                                  .data = std::string("\x00\xff", 2),
                                  .content_type = "image/png"});
  EXPECT_EQ(bytes["payloadBase64"], "AP8=");
  EXPECT_FALSE(bytes.contains("payload"));
}

TEST(TickDocument, has_null_for_the_state_before_the_first) {
  const Json document = Json::parse(tick_document(test::tick_input(text("")), {}));
  EXPECT_TRUE(document.at("state").is_null());
}

TEST(Answer, of_nothing_changes_nothing) {
  for (const char* answer : {"", "{}", R"({"state": null, "kv": null, "unknown": [1]})"}) {
    const TickOutcome outcome = read(answer);
    EXPECT_EQ(outcome.status, Status::kDone) << answer;
    EXPECT_EQ(outcome.state, nullptr) << answer;
    EXPECT_TRUE(outcome.reply.as_json().is_null()) << answer;
    EXPECT_TRUE(outcome.writes.kv.empty());
    EXPECT_FALSE(outcome.writes.hibernate);
  }
}

TEST(Answer, replaces_the_state_and_replies) {
  const TickOutcome outcome = read(R"({"state": {"n": 2}, "reply": ["a"], "hibernate": true})");
  EXPECT_EQ(*outcome.state, Json::parse(R"({"n": 2})"));
  EXPECT_EQ(outcome.reply.as_json(), Json::parse(R"(["a"])"));
  EXPECT_TRUE(outcome.writes.hibernate);
}

TEST(Answer, replies_with_bytes) {
  const TickOutcome outcome = read(R"({"replyBase64": "AP8=", "replyContentType": "image/png"})");
  EXPECT_EQ(outcome.reply.kind, Payload::Kind::kBytes);
  EXPECT_EQ(outcome.reply.data, std::string("\x00\xff", 2));
  EXPECT_EQ(outcome.reply.content_type, "image/png");
}

TEST(Answer, writes_keys_of_every_kind) {
  const TickOutcome outcome = read(R"({"kv": [
      {"put": "a", "value": {"x": 1}}, {"put": "b", "value": null}, {"put": "c", "text": "hi"},
      {"put": "d", "base64": "AP8=", "contentType": "image/png"}, {"delete": "e"}]})");
  ASSERT_EQ(outcome.status, Status::kDone) << outcome.error.detail;
  const auto& kv = outcome.writes.kv;
  ASSERT_EQ(kv.size(), 5u);
  EXPECT_EQ(kv[0].value, R"({"x":1})");
  EXPECT_EQ(kv[0].content_type, "application/json");
  EXPECT_EQ(kv[1].value, "null");
  EXPECT_EQ(kv[2].value, "hi");
  EXPECT_EQ(kv[2].content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(kv[3].value, std::string("\x00\xff", 2));
  EXPECT_EQ(kv[3].content_type, "image/png");
  EXPECT_EQ(kv[4].key, "e");
  EXPECT_FALSE(kv[4].value);
}

TEST(Answer, sets_and_cancels_alarms) {
  const TickOutcome outcome = read(R"({"alarms": [
      {"set": {"name": "n", "in": "10s", "payload": 1}},
      {"set": {"at": "2027-01-15T09:00:00Z"}}, {"cancel": "m"}]})");
  ASSERT_EQ(outcome.status, Status::kDone) << outcome.error.detail;
  const auto& alarms = outcome.writes.alarms;
  ASSERT_EQ(alarms.size(), 3u);
  EXPECT_EQ(std::get<AlarmSet>(alarms[0]).at, kTickTime + seconds(10));
  EXPECT_EQ(std::get<AlarmSet>(alarms[0]).payload, 1);
  EXPECT_EQ(std::get<AlarmSet>(alarms[1]).name, "");
  EXPECT_EQ(std::get<AlarmSet>(alarms[1]).at, kTickTime + seconds(3600));
  EXPECT_EQ(std::get<AlarmCancel>(alarms[2]).name, "m");
}

TEST(Answer, sends_and_has_effects) {
  const TickOutcome outcome = read(R"({
      "send": [{"to": "other", "payload": 1}, {"to": "a/b"}, {"to": "http://h/agents/x"}],
      "effects": [{"key": "k1", "http": {"url": "https://h/pay", "headers": {"X-A": "b"},
                   "body": {"n": 1}}},
                  {"key": "k2", "maxAge": "5m",
                   "http": {"method": "PUT", "url": "http://h", "body": "text"}}]})");
  ASSERT_EQ(outcome.status, Status::kDone) << outcome.error.detail;
  EXPECT_EQ(outcome.writes.sends.size(), 3u);
  const auto& effects = outcome.writes.effects;
  ASSERT_EQ(effects.size(), 2u);
  EXPECT_EQ(effects[0].method, "POST");
  EXPECT_EQ(effects[0].body, R"({"n":1})");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(effects[0].headers, (Headers{{"X-A", "b"}, {"Content-Type", "application/json"}}));
  EXPECT_EQ(effects[1].method, "PUT");
  EXPECT_EQ(effects[1].body, "text");
  EXPECT_EQ(effects[1].max_age, std::chrono::minutes(5));
}

TEST(Answer, speaks_to_sockets) {
  const TickOutcome outcome = read(R"({"sockets": [
      {"send": "c1", "text": "hi"}, {"send": "tag:x", "base64": "AP8="},
      {"close": "c1", "code": 4001, "reason": "bye"},
      {"update": "c2", "tags": ["x"], "attachment": {"n": 1}}, {"update": "c3", "tags": []}]})");
  ASSERT_EQ(outcome.status, Status::kDone) << outcome.error.detail;
  const auto& sockets = outcome.writes.sockets;
  ASSERT_EQ(sockets.size(), 5u);
  EXPECT_FALSE(std::get<SocketSend>(sockets[0]).binary);
  EXPECT_TRUE(std::get<SocketSend>(sockets[1]).binary);
  EXPECT_EQ(std::get<SocketClose>(sockets[2]).code, 4001);
  EXPECT_EQ(std::get<SocketUpdate>(sockets[3]).tags, std::vector<std::string>{"x"});
  EXPECT_EQ(std::get<SocketUpdate>(sockets[3]).attachment, Json::parse(R"({"n": 1})"));
  EXPECT_EQ(std::get<SocketUpdate>(sockets[4]).tags, std::vector<std::string>{});
  EXPECT_FALSE(std::get<SocketUpdate>(sockets[4]).attachment);
}

TEST(Answer, moves_a_job_on) {
  const TickOutcome outcome = read(R"({"job": {"progress": {"done": 1}, "continue": true}})");
  ASSERT_TRUE(outcome.writes.job);
  EXPECT_EQ(outcome.writes.job->progress, Json::parse(R"({"done": 1})"));
  EXPECT_TRUE(outcome.writes.job->goes_on);
}

TEST(Answer, that_is_wrong_fails_for_good_and_names_the_place) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"<html>", "breaks the protocol"},
      {"[]", "must be a JSON object"},
      {R"({"kv": {}})", "kv"},
      {R"({"kv": [{"put": "a"}]})", "kv[0]"},
      {R"({"kv": [{"put": "a", "delete": "a"}]})", "kv[0]"},
      {R"({"kv": [{"put": "", "value": 1}]})", "kv[0].put"},
      {R"({"kv": [{"put": "a", "base64": "!"}]})", "kv[0].base64"},
      {R"({"kv": [{"put": "a", "text": "", "contentType": "a\r\nb: c"}]})", "kv[0].contentType"},
      {R"({"alarms": [{"set": {"name": "n"}}]})", "alarms[0].set"},
      {R"({"alarms": [{"set": {"in": "soon"}}]})", "alarms[0].set.in"},
      {R"({"alarms": [{"set": 1}]})", "alarms[0].set"},
      {R"({"alarms": [{"cancel": 1}]})", "alarms[0].cancel"},
      {R"({"send": [{"payload": 1}]})", "send[0].to"},
      {R"({"send": [{"to": "Not A Name"}]})", "send[0].to"},
      {R"({"effects": [{"key": "k"}]})", "effects[0].http"},
      {R"({"effects": [{"http": {"url": "http://h"}}]})", "effects[0].key"},
      {R"({"effects": [{"key": "k", "http": {"url": "ftp://h"}}]})", "effects[0].http.url"},
      {R"({"effects": [{"key": "k", "http": {"url": "http://h", "method": "A B"}}]})",
       "effects[0].http.method"},
      {R"({"effects": [{"key": "k", "http": {"url": "http://h", "headers": {"a": "b\r\nc: d"}}}]})",
       "effects[0].http.headers.a"},
      {R"({"sockets": [{"text": "x"}]})", "sockets[0]"},
      {R"({"sockets": [{"send": "c"}]})", "sockets[0]"},
      {R"({"sockets": [{"close": "c", "code": 1006}]})", "sockets[0].code"},
      {R"({"job": 1})", "job"},
      {R"({"job": {"continue": "yes"}})", "job.continue"},
      {R"({"hibernate": 1})", "hibernate"},
      {R"({"replyBase64": 1})", "replyBase64"},
      {std::string(100, '[') + std::string(100, ']'), "breaks the protocol"},
  };
  for (const auto& [answer, place] : cases) {
    const TickOutcome outcome = read(answer);
    EXPECT_EQ(outcome.status, Status::kFail) << answer;
    EXPECT_EQ(outcome.error.code, Code::kRuntimeError) << answer;
    EXPECT_EQ(outcome.error.reason, "BadAnswer") << answer;
    EXPECT_THAT(outcome.error.detail, HasSubstr(place)) << answer;
  }
}

TEST(Answer, is_bounded) {
  std::string answer = R"({"send": [)";
  for (std::size_t i = 0; i <= kMaxAnswerItems; ++i) answer += R"({"to": "a"},)";
  answer.back() = ']';
  EXPECT_THAT(read(answer + "}").error.detail, HasSubstr("send"));
  EXPECT_EQ(read(std::string(kMaxAnswerBytes + 1, ' ')).error.reason, "BadAnswer");
}

TEST(Response, is_taken_by_its_status) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) {
    const TickOutcome outcome = read_response(status, "", kTickTime);
    EXPECT_EQ(outcome.status, Status::kRetry) << status;
    EXPECT_EQ(outcome.error.code, Code::kUnavailable) << status;
  }
  for (const int status : {400, 401, 404, 409, 422}) {
    const TickOutcome outcome = read_response(status, "", kTickTime);
    EXPECT_EQ(outcome.status, Status::kFail) << status;
    EXPECT_EQ(outcome.error.reason, "HandlerRefused") << status;
  }
  EXPECT_EQ(read_response(302, "", kTickTime).error.reason, "BadAnswer");
  EXPECT_EQ(read_response(201, "{}", kTickTime).status, Status::kDone);
  EXPECT_EQ(read_response(204, "", kTickTime).status, Status::kDone);
}

TEST(Response, carries_the_handlers_own_words) {
  const auto words = [](std::string_view body) {
    return read_response(422, body, kTickTime).error.detail;
  };
  EXPECT_EQ(words(R"({"title": "Bad", "detail": "no such thing"})"),
            "the handler answered 422: no such thing");
  EXPECT_EQ(words("no such thing"), "the handler answered 422: no such thing");
  EXPECT_EQ(words("\xff\xff"), "the handler answered 422");
  EXPECT_LT(words(std::string(1'000'000, 'x')).size(), 2000u);
}

// A handler cannot say what only the runtime says of an envelope.
TEST(Response, sets_no_reason_of_the_runtime) {
  const auto outcome =
      read_response(400, R"({"code": "CONFLICT", "reason": "Cancelled", "detail": "x"})", {});
  EXPECT_EQ(outcome.error.code, Code::kRuntimeError);
  EXPECT_EQ(outcome.error.reason, "HandlerRefused");
}

TEST(Parts, of_the_context_api_are_read_with_their_places) {
  EXPECT_EQ(read_heartbeat(Json{{"next", "10s"}})->count(), 10'000'000);
  EXPECT_FALSE(read_heartbeat(Json::object()).ok());
  EXPECT_EQ(read_usage(Json{{"tokensIn", 3}, {"iterations", 1}})->tokens_in, 3);
  EXPECT_FALSE(read_usage(Json{{"tokensIn", -3}}).ok());
  EXPECT_EQ(read_approval(Json{{"name", "n"}, {"question", "ok?"}})->question, "ok?");
  const auto refused = read_alarm(Json::array(), kTickTime);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalidRequest);
}

TEST(ShownEvents, reach_those_who_watch) {
  test::RecordingContext context;
  EXPECT_TRUE(show_event(context, "delta", {{"text", "a"}, {"tickId", "forged"}}));
  EXPECT_TRUE(show_event(context, "log", {{"text", "b"}}));
  EXPECT_TRUE(show_event(context, "progress", {{"done", 1}}));
  ASSERT_EQ(context.emitted.size(), 2u);
  EXPECT_EQ(context.emitted[0].second, Json::parse(R"({"text": "a"})"));
  EXPECT_EQ(context.emitted[1].first, "progress");
  EXPECT_EQ(context.logged.at(0), (std::pair<std::string, std::string>{"info", "b"}));
}

TEST(ShownEvents, are_refused_where_they_are_wrong) {
  test::RecordingContext context;
  EXPECT_FALSE(show_event(context, "tick_end", {{"text", "a"}}));
  EXPECT_FALSE(show_event(context, "delta", {{"text", 1}}));
  EXPECT_FALSE(show_event(context, "delta", "text"));
  EXPECT_FALSE(show_event(context, "progress", Json::array()));
  EXPECT_FALSE(show_event(context, "log", {{"text", "a"}, {"level", "loud"}}));
  EXPECT_FALSE(show_event(context, "delta", {{"text", std::string(kMaxShownBytes, 'x')}}));
  EXPECT_TRUE(context.emitted.empty());
}

}  // namespace
}  // namespace oa::runtime
