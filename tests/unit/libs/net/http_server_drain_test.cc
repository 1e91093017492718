#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/http_server.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;
using test::HttpClient;
using test::HttpReply;

constexpr seconds kLong{60};

// Drains on another thread.
std::future<bool> drain(HttpServer& server, milliseconds deadline) {
  return std::async(std::launch::async, [&server, deadline] { return server.drain(deadline); });
}

// Whether a new connection is refused, which is the first that is seen of a drain.
bool is_refusing(int port) { return !HttpClient(port).connected(); }

TEST(HttpServerDrain, closes_idle_connections_and_refuses_new_ones) {
  const auto server = start_server(echo);
  HttpClient fresh(server->port());
  HttpClient used(server->port());
  EXPECT_EQ(used.request("GET", "/").status, 200);
  EXPECT_TRUE(server->drain(kLong));
  EXPECT_EQ(fresh.read_to_end(), "");
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_TRUE(is_refusing(server->port()));
  EXPECT_EQ(server->stats().connections, 0u);
}

TEST(HttpServerDrain, lets_requests_in_flight_finish) {
  for (const int threads : {1, 3}) {
    HeldRequests held;
    HttpServer::Options options;
    options.threads = threads;
    const auto server = start_server(held.handler(), options);
    std::vector<HttpClient> clients;
    std::vector<Held> requests;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back(server->port()).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      requests.push_back(held.take());
    }
    std::future<bool> drained = drain(*server, kLong);
    EXPECT_TRUE(eventually([&] { return is_refusing(server->port()); }));
    for (Held& request : requests) request.respond({200, {}, std::string(3'000'000, 'x')});
    for (HttpClient& client : clients) {
      const HttpReply reply = client.read_reply();
      EXPECT_EQ(reply.body.size(), 3'000'000u);
      EXPECT_TRUE(client.wait_for_close());
    }
    EXPECT_TRUE(drained.get());
  }
}

TEST(HttpServerDrain, says_close_on_what_it_still_answers) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held request = held.take();
  HttpClient idle(server->port());
  std::future<bool> drained = drain(*server, kLong);
  EXPECT_TRUE(idle.wait_for_close());  // the drain has begun
  request.respond({200, {}, ""});
  EXPECT_EQ(client.read_reply().header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

TEST(HttpServerDrain, finishes_a_request_that_is_still_arriving) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.read_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  HttpClient idle(server->port());
  std::future<bool> drained = drain(*server, kLong);
  EXPECT_TRUE(idle.wait_for_close());
  client.send("hello");
  const HttpReply reply = client.read_reply();
  EXPECT_EQ(reply.body, "POST / hello");
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(drained.get());
}

TEST(HttpServerDrain, answers_requests_that_had_been_sent_before_it_began) {
  const test::TempDir dir;
  HttpServer::Options options;
  options.listen = "unix:" + dir.file("s");  // what is sent has arrived, which TCP does not promise
  options.limits.connections = 200;
  for (int round = 0; round < 10; ++round) {
    const auto server = start_server(echo, options);
    std::vector<HttpClient> clients;
    for (int i = 0; i < 100; ++i) {
      clients.emplace_back(dir.file("s")).send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    EXPECT_TRUE(server->drain(kLong));
    for (HttpClient& client : clients) EXPECT_EQ(client.read_reply().body, "GET /x ");
  }
}

TEST(HttpServerDrain, gives_up_at_its_deadline_and_says_so) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held request = held.take();
  EXPECT_FALSE(server->drain(milliseconds(20)));
  EXPECT_TRUE(client.wait_for_close());
  EXPECT_EQ(server->stats().connections, 0u);
  request.respond({200, {}, "too late"});
}

TEST(HttpServerDrain, ends_half_requests_at_its_deadline) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(client.read_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(
      server->drain(milliseconds(20)));  // nothing that had been handed to the handler was lost
  EXPECT_TRUE(client.wait_for_close());
}

TEST(HttpServerDrain, can_be_asked_for_twice_at_once_and_afterwards) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held request = held.take();
  std::future<bool> first = drain(*server, kLong);
  std::future<bool> second = drain(*server, kLong);
  EXPECT_TRUE(eventually([&] { return is_refusing(server->port()); }));
  request.respond({200, {}, ""});
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_TRUE(server->drain(kLong));
}

TEST(HttpServerDrain, does_not_wait_for_a_client_that_lingers_longer_than_it_must) {
  HttpServer::Options options;
  options.limits.body_bytes = 10;
  const auto server = start_server(echo, options);
  HttpClient client(server->port());
  EXPECT_EQ(client.request("POST", "/", std::string(100, 'x')).status, 413);
  EXPECT_TRUE(server->drain(milliseconds(1)));
}

}  // namespace
}  // namespace oa::net
