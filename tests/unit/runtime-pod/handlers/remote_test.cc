#include "runtime-pod/handlers/remote.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/agent.h"
#include "libs/obs/system_clock.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_server.h"
#include "tests/unit/runtime-pod/handlers/recording_context.h"

namespace oa::runtime {
namespace {

using Status = TickOutcome::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Connection;
using test::RawServer;
using testing::HasSubstr;

std::string event(std::string_view name, std::string_view data) {
  return "event: " + std::string(name) + "\ndata: " + std::string(data) + "\n\n";
}

const std::string kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

struct RemoteTest : testing::Test {
  RemoteTest() {
    auto client = net::HttpClient::start(handler_client_options());
    EXPECT_TRUE(client.ok());
    auto api = std::make_shared<ContextApi>("127.0.0.1:0", clock, test::silent_logger(clock));
    handler = std::make_unique<RemoteHandler>("container", std::move(*client), std::move(api),
                                              clock, scheduler);
  }

  static AgentSpec spec_for(int port) {
    AgentSpec spec = default_spec();
    spec.handler = ContainerHandler{.image = "logic", .port = port};
    return spec;
  }

  std::future<TickOutcome> start(AgentSpec spec, Duration time = seconds(20)) {
    TickInput input = test::tick_input({.kind = Payload::Kind::kText, .data = "hi"}, context);
    input.spec = std::make_shared<const AgentSpec>(std::move(spec));
    input.deadline = clock.monotonic() + time;
    auto promise = std::make_shared<std::promise<TickOutcome>>();
    handler->run(std::move(input),
                 [promise](TickOutcome outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
  }
  TickOutcome run(const RawServer& server, Duration time = seconds(20)) {
    return start(spec_for(server.port()), time).get();
  }
  // What a handler that answers so has for an outcome.
  TickOutcome answered(const std::string& bytes) {
    const RawServer server([&bytes](Connection& connection) {
      connection.read_request();
      connection.write(bytes);
    });
    return run(server);
  }

  obs::SystemClock clock;
  test::InlineScheduler scheduler;
  std::shared_ptr<test::RecordingContext> context = std::make_shared<test::RecordingContext>();
  std::unique_ptr<RemoteHandler> handler;
};

TEST_F(RemoteTest, posts_the_tick_and_takes_the_answer) {
  std::string request;
  const RawServer server([&request](Connection& connection) {
    request = connection.read_request();
    connection.write(Connection::response(200, R"({"state": {"n": 1}, "reply": "hello"})",
                                          "Content-Type: application/json\r\n"));
  });
  const TickOutcome outcome = run(server);
  EXPECT_EQ(outcome.status, Status::kDone) << outcome.error.detail;
  EXPECT_EQ(outcome.reply.as_json(), "hello");
  EXPECT_EQ(*outcome.state, Json::parse(R"({"n": 1})"));
  EXPECT_THAT(request, testing::StartsWith("POST /tick HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Agent-Epoch: 7\r\n"));
  EXPECT_THAT(request, HasSubstr("Agent-Tick-Id: t-000000000042\r\n"));
  const Json document = Json::parse(request.substr(request.find("\r\n\r\n") + 4));
  EXPECT_EQ(document["trigger"]["envelope"]["payload"], "hi");
  EXPECT_THAT(document["context"]["url"].get<std::string>(),
              testing::MatchesRegex("http://127.0.0.1:[0-9]+/v1"));
}

TEST_F(RemoteTest, calls_the_url_of_an_http_handler) {
  std::string request;
  const RawServer server([&request](Connection& connection) {
    request = connection.read_request();
    connection.write(Connection::response(200, "{}"));
  });
  AgentSpec spec = default_spec();
  spec.handler = HttpHandler{"http://127.0.0.1:" + std::to_string(server.port()) + "/logic?v=1"};
  EXPECT_EQ(start(std::move(spec)).get().status, Status::kDone);
  EXPECT_THAT(request, testing::StartsWith("POST /logic?v=1 HTTP/1.1\r\n"));
}

TEST_F(RemoteTest, shows_a_streamed_answer_as_it_comes) {
  std::promise<void> seen;
  const RawServer server([&seen](Connection& connection) {
    connection.read_request();
    connection.write(kStreamHead);
    connection.write(Connection::chunk(event("delta", R"({"text": "he"})")));
    seen.get_future().wait();
    connection.write(Connection::chunk(event("log", R"({"text": "note"})") +
                                       event("usage", R"({"tokensOut": 2})") +
                                       event("unknown", "?") + event("result", R"({"reply": 1})") +
                                       event("delta", "garbage after the end")));
    connection.wait_closed();
  });
  auto outcome = start(spec_for(server.port()));
  EXPECT_TRUE(test::eventually([this] { return !context->snapshot_emitted().empty(); }));
  seen.set_value();
  EXPECT_EQ(outcome.get().reply.as_json(), 1);
  EXPECT_EQ(context->emitted.size(), 1u);
  EXPECT_EQ(context->logged.size(), 1u);
  EXPECT_EQ(context->usage.tokens_out, 2);
}

TEST_F(RemoteTest, retries_what_may_be_different_the_next_time) {
  const std::vector<std::string> answers = {
      "",                                                          // hung up
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"reply\"",  // cut off
      Connection::response(503, "busy"),
      kStreamHead + Connection::chunk(event("delta", R"({"text": "x"})")) + "0\r\n\r\n",
  };
  for (const std::string& answer : answers) {
    const TickOutcome outcome = answered(answer);
    EXPECT_EQ(outcome.status, Status::kRetry) << answer;
    EXPECT_EQ(outcome.error.code, Code::kUnavailable) << answer;
    EXPECT_EQ(outcome.error.reason, "HandlerUnavailable") << answer;
  }
}

TEST_F(RemoteTest, retries_when_nobody_listens) {
  int port = 0;
  {
    const RawServer server([](Connection&) {});
    port = server.port();
  }
  const TickOutcome outcome = start(spec_for(port)).get();
  EXPECT_EQ(outcome.status, Status::kRetry);
  EXPECT_EQ(outcome.error.reason, "HandlerUnavailable");
}

TEST_F(RemoteTest, retries_after_a_time_out) {
  const RawServer server([](Connection& connection) { connection.wait_closed(); });
  const TickOutcome outcome = run(server, milliseconds(50));
  EXPECT_EQ(outcome.status, Status::kRetry);
  EXPECT_EQ(outcome.error.code, Code::kTimeout);
}

TEST_F(RemoteTest, fails_on_what_breaks_the_protocol) {
  const std::string deep = std::string(1000, '[');
  const std::vector<std::string> answers = {
      "SMTP ready\r\n\r\n",
      Connection::response(200, "<html>"),
      Connection::response(200, deep),
      Connection::response(302, "", "Location: http://127.0.0.1:1/\r\n"),
      kStreamHead + Connection::chunk(event("delta", "not json")),
      kStreamHead + Connection::chunk(event("delta", R"({"text": 1})")),
      kStreamHead + Connection::chunk(event("result", "not json")),
  };
  for (const std::string& answer : answers) {
    const TickOutcome outcome = answered(answer);
    EXPECT_EQ(outcome.status, Status::kFail) << answer;
    EXPECT_EQ(outcome.error.code, Code::kRuntimeError) << answer;
    EXPECT_EQ(outcome.error.reason, "BadAnswer") << answer << outcome.error.detail;
  }
}

TEST_F(RemoteTest, fails_with_the_words_of_a_handler_that_refuses) {
  const TickOutcome outcome = answered(Connection::response(422, R"({"detail": "no such item"})"));
  EXPECT_EQ(outcome.status, Status::kFail);
  EXPECT_EQ(outcome.error.reason, "HandlerRefused");
  EXPECT_THAT(outcome.error.detail, HasSubstr("no such item"));
}

TEST_F(RemoteTest, survives_a_flood) {
  const std::string mebibyte(1024 * 1024, 'x');
  const auto flood = [&](const std::string& head, const std::string& piece) {
    const RawServer server([&](Connection& connection) {
      connection.read_request();
      connection.write(head);
      while (connection.write(Connection::chunk(piece))) {
      }
    });
    return run(server);
  };
  const TickOutcome plain =
      flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", mebibyte);
  EXPECT_EQ(plain.status, Status::kFail);
  EXPECT_EQ(plain.error.reason, "AnswerTooLarge");
  const TickOutcome line = flood(kStreamHead, "data: " + mebibyte);
  EXPECT_EQ(line.status, Status::kFail);
  const TickOutcome events = flood(kStreamHead, event("unknown", "1"));
  EXPECT_EQ(events.status, Status::kFail);
  EXPECT_EQ(events.error.reason, "AnswerTooLarge");
}

TEST_F(RemoteTest, ends_the_exchange_with_the_attempt) {
  std::promise<void> began;
  std::promise<void> closed;
  const RawServer server([&](Connection& connection) {
    connection.read_request();
    began.set_value();
    connection.wait_closed();
    closed.set_value();
  });
  auto outcome = start(spec_for(server.port()));
  began.get_future().wait();
  context->end();
  closed.get_future().wait();
  EXPECT_EQ(outcome.get().status, Status::kRetry);
}

TEST_F(RemoteTest, ends_what_goes_on_when_it_closes) {
  std::promise<void> began;
  const RawServer server([&](Connection& connection) {
    connection.read_request();
    began.set_value();
    connection.wait_closed();
  });
  auto outcome = start(spec_for(server.port()));
  began.get_future().wait();
  handler->close();
  EXPECT_EQ(outcome.get().status, Status::kRetry);
  EXPECT_EQ(run(server).status, Status::kRetry);
}

}  // namespace
}  // namespace oa::runtime
