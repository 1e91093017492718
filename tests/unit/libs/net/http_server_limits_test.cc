#include <chrono>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/net/http_server.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using std::chrono::milliseconds;
using test::eventually;
using test::HttpClient;
using test::HttpReply;

// Limits of an hour but for those that a test shortens, so that no other can be what ended a
// connection.
HttpServer::Options patient() {
  constexpr milliseconds kHour{3'600'000};
  HttpServer::Options options;
  options.limits.header_timeout = kHour;
  options.limits.body_timeout = kHour;
  options.limits.idle_timeout = kHour;
  options.limits.write_timeout = kHour;
  return options;
}

void expect_problem(const HttpReply& reply, int status, const std::string& reason) {
  EXPECT_EQ(reply.status, status);
  EXPECT_EQ(reply.header("content-type"), "application/problem+json");
  EXPECT_EQ(reply.header("connection"), "close");
  const auto problem = nlohmann::json::parse(reply.body, nullptr, false);
  ASSERT_FALSE(problem.is_discarded()) << reply.body;
  EXPECT_EQ(problem.value("reason", ""), reason);
  EXPECT_EQ(problem.value("status", 0), status);
}

TEST(HttpServerLimits, answer_431_to_large_headers) {
  HttpServer::Options options = patient();
  options.limits.header_bytes = 1000;
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  expect_problem(client.request("GET", "/", "", {{"X", std::string(2000, 'x')}}), 431,
                 "HeadersTooLarge");
  EXPECT_TRUE(client.wait_for_close());
  EXPECT_EQ(
      HttpClient(server->port()).request("GET", "/", "", {{"X", std::string(900, 'x')}}).status,
      200);
}

TEST(HttpServerLimits, answer_413_to_a_large_body_without_reading_it) {
  HttpServer::Options options = patient();
  options.limits.body_bytes = 1000;
  const auto server = start_server(echo, options);
  expect_problem(test::raw_request(server->port(),
                                   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"),
                 413, "PayloadTooLarge");
  EXPECT_EQ(HttpClient(server->port()).request("POST", "/", std::string(1000, 'x')).status, 200);
}

TEST(HttpServerLimits, answer_413_instead_of_100_continue) {
  HttpServer::Options options = patient();
  options.limits.body_bytes = 1000;
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_THAT(client.read_some(), testing::StartsWith("HTTP/1.1 413 "));
}

TEST(HttpServerLimits, answer_413_to_a_client_that_is_still_sending) {
  HttpServer::Options options = patient();
  options.limits.body_bytes = 1000;
  const auto server = start_server(echo, options);
  for (int i = 0; i < 20; ++i) {
    HttpClient client(server->port());
    expect_problem(client.request("POST", "/", std::string(3'000'000, 'x')), 413,
                   "PayloadTooLarge");
  }
}

TEST(HttpServerLimits, answer_413_to_a_large_chunked_body) {
  HttpServer::Options options = patient();
  options.limits.body_bytes = 1000;
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) client.send("190\r\n" + std::string(400, 'x') + "\r\n");
  expect_problem(client.read_reply(), 413, "PayloadTooLarge");
}

TEST(HttpServerLimits, answer_408_to_slow_headers) {
  HttpServer::Options options = patient();
  options.limits.header_timeout = milliseconds(30);
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHos");
  expect_problem(client.read_reply(), 408, "RequestTimeout");
  EXPECT_TRUE(client.wait_for_close());
}

TEST(HttpServerLimits, answer_408_to_headers_that_only_trickle) {
  HttpServer::Options options = patient();
  options.limits.header_timeout = milliseconds(50);
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  client.set_deadline(milliseconds(1));
  client.send("GET / HTTP/1.1\r\n");
  std::string answer;
  EXPECT_TRUE(eventually([&] {
    client.send("X: y\r\n");
    answer += client.read_some();
    return !answer.empty();
  }));
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 408 "));
}

TEST(HttpServerLimits, answer_408_to_a_slow_body) {
  HttpServer::Options options = patient();
  options.limits.body_timeout = milliseconds(30);
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
  expect_problem(client.read_reply(), 408, "RequestTimeout");
}

TEST(HttpServerLimits, close_idle_connections_silently) {
  HttpServer::Options options = patient();
  options.limits.idle_timeout = milliseconds(30);
  const auto server = start_server(echo, options);
  HttpClient fresh(server->port());
  EXPECT_EQ(fresh.read_to_end(), "");
  HttpClient used(server->port());
  EXPECT_EQ(used.request("GET", "/").status, 200);
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
}

TEST(HttpServerLimits, do_not_count_the_handlers_time) {
  HttpServer::Options options;
  options.limits.header_timeout = options.limits.body_timeout = options.limits.idle_timeout =
      options.limits.write_timeout = milliseconds(20);
  HeldRequests held;
  const auto server = start_server(held.handler(), options);
  HttpClient waiting(server->port());
  waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held next = held.take();
  // Three idle connections come and go: more than all the limits together have passed.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(HttpClient(server->port()).wait_for_close());
  next.respond({200, {}, "at last"});
  EXPECT_EQ(waiting.read_reply().body, "at last");
}

TEST(HttpServerLimits, close_a_connection_whose_client_does_not_read) {
  HttpServer::Options options = patient();
  options.limits.write_timeout = milliseconds(30);
  const auto server = start_server(
      [](const Request&, const Respond& respond) {
        respond({200, {}, std::string(20'000'000, 'x')});
      },
      options);
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 1; }));
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
}

TEST(HttpServerLimits, answer_503_over_the_limit_of_connections) {
  HttpServer::Options options = patient();
  options.limits.connections = 2;
  const auto server = start_server(echo, options);
  auto first = std::make_unique<HttpClient>(server->port());
  HttpClient second(server->port());
  EXPECT_EQ(first->request("GET", "/").status, 200);
  EXPECT_EQ(second.request("GET", "/").status, 200);
  HttpClient third(server->port());
  const HttpReply reply = third.request("GET", "/");
  expect_problem(reply, 503, "TooManyConnections");
  EXPECT_EQ(reply.header("retry-after"), "1");
  EXPECT_EQ(second.request("GET", "/").status, 200);
  first.reset();
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 1; }));
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/").status, 200);
}

TEST(HttpServerLimits, hold_against_a_flood_of_connections) {
  HttpServer::Options options = patient();
  options.limits.connections = 4;
  const auto server = start_server(echo, options);
  std::vector<HttpClient> clients;
  for (int i = 0; i < 200; ++i) clients.emplace_back(server->port());
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 4; }));
  EXPECT_EQ(clients[0].request("GET", "/").status, 200);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
  EXPECT_TRUE(
      eventually([&] { return HttpClient(server->port()).request("GET", "/").status == 200; }));
}

// Leaves the process without descriptors while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 1;  // poll() wants at least as many as it is asked about
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(HttpServerLimits, rest_when_there_are_no_descriptors_and_go_on_when_there_are) {
  test::ManualClock clock;
  std::vector<std::string> lines;
  std::mutex mutex;
  const auto keep = [&](std::string_view line) {
    std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  HttpServer::Options options = patient();
  options.logger.emplace("net", obs::LogOptions{.sink = keep}, clock);
  // The undefined-behaviour sanitizer looks at a type for the first time with a pipe, for which
  // there must be descriptors.
  options.logger->info("first line");
  const auto server = start_server(echo, options);
  HttpClient open(server->port());
  EXPECT_EQ(open.request("GET", "/").status, 200);
  const int waiting = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  {
    const NoDescriptors none;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(waiting, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex);
      return lines.size() == 2;
    }));
    EXPECT_EQ(open.request("GET", "/").status, 200);
  }
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 2; }));
  ::close(waiting);
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/").status, 200);
  std::lock_guard lock(mutex);
  EXPECT_EQ(lines.size(), 2u);  // one warning, however often it was tried
}

}  // namespace
}  // namespace oa::net
