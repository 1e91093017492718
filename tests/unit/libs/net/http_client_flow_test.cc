// Time, turns, cancelling, and streams: what happens while an exchange is on its way.

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/http_client.h"
#include "tests/support/eventually.h"
#include "tests/support/raw_server.h"
#include "tests/unit/libs/net/client_fixture.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using namespace std::chrono_literals;
using test::Connection;
using test::RawServer;
using ::testing::ElementsAre;

constexpr std::string_view kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// Takes connections and requests, and never answers.
void be_silent(Connection& connection) { connection.wait_closed(); }

// Nobody answers a TLS handshake there.
ClientRequest stuck_in_handshake(const RawServer& server) {
  return request_to("https://127.0.0.1:" + std::to_string(server.port()) + "/", "POST");
}

TEST(HttpClient, gives_up_in_time_in_each_phase) {
  RawServer silent(be_silent);
  RawServer half([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell");
    connection.wait_closed();
  });
  HttpClient::Options options;
  options.max_connections_per_host = 1;
  const auto client = start_client(options);

  ClientRequest request = stuck_in_handshake(silent);
  request.connect_timeout = 20ms;
  EXPECT_EQ(ask(*client, request).failure(), "TIMEOUT ConnectTimeout unsent");
  request.connect_timeout = 10s;
  request.timeout = 20ms;
  EXPECT_EQ(ask(*client, request).failure(), "TIMEOUT ConnectTimeout unsent");

  request = request_to(local_url(half.port()), "POST");
  request.timeout = 20ms;
  EXPECT_EQ(ask(*client, request).failure(), "TIMEOUT ResponseTimeout sent");

  Asked first = get(*client, silent.port());
  request = request_to(local_url(silent.port()));
  request.timeout = 20ms;
  EXPECT_EQ(ask(*client, request).failure(), "TIMEOUT ConnectTimeout unsent") << "no turn";
  EXPECT_FALSE(first.is_done());
}

TEST(HttpClient, takes_any_timeout) {
  const auto server = start_server(echo);
  const auto client = start_client();
  ClientRequest request = request_to(local_url(server->port()));
  request.timeout = std::chrono::milliseconds::max();
  request.connect_timeout = std::chrono::milliseconds::max();
  EXPECT_EQ(ask(*client, request).response().status, 200);
}

TEST(HttpClient, cancels_in_each_phase) {
  RawServer silent(be_silent);
  RawServer half([](Connection& connection) {
    connection.read_request();
    connection.write(std::string(kChunkedHead) + Connection::chunk("a"));
    connection.wait_closed();
  });
  HttpClient::Options options;
  options.max_connections_per_host = 1;
  const auto client = start_client(options);

  Asked handshake = ask(*client, stuck_in_handshake(silent));
  EXPECT_TRUE(test::eventually([&] { return silent.connections() == 1; }));
  handshake.handle.cancel();
  EXPECT_EQ(handshake.failure(), "UNAVAILABLE Cancelled unsent");

  std::promise<void> began;
  ClientRequest request = request_to(local_url(half.port()));
  request.on_body = [&](std::string_view) {
    began.set_value();
    return true;
  };
  Asked body = ask(*client, request);
  Asked waiting = get(*client, half.port());
  began.get_future().wait();
  waiting.handle.cancel();
  EXPECT_EQ(waiting.failure(), "UNAVAILABLE Cancelled unsent");
  EXPECT_FALSE(body.is_done());
  body.handle.cancel();
  const ClientResult ended = body.get();
  EXPECT_EQ(ended.response.error().reason, "Cancelled");
  EXPECT_FALSE(ended.response.error().retryable);
  EXPECT_TRUE(ended.sent);
  body.handle.cancel();  // in vain
}

TEST(HttpClient, starts_nothing_for_an_exchange_that_is_cancelled_as_its_turn_comes) {
  for (const char* header : {"", "Connection: close\r\n"}) {
    std::promise<void> go;
    RawServer server([&, header](Connection& connection) {
      connection.read_request();
      go.get_future().wait();
      connection.write(Connection::response(200, "a", header));
      connection.wait_closed();
    });
    HttpClient::Options options;
    options.max_connections_per_host = 1;
    auto client = start_client(options);
    ClientHandle next;
    std::promise<void> done;
    client->send(request_to(local_url(server.port())), [&](const ClientResult&) {
      next.cancel();
      done.set_value();
    });
    // Were its time to run on, the client could not be destroyed within the time of this test.
    ClientRequest request = request_to(local_url(server.port()), "POST");
    request.timeout = 10min;
    Asked cancelled = ask(*client, request);
    next = cancelled.handle;
    go.set_value();
    done.get_future().wait();
    EXPECT_EQ(cancelled.failure(), "UNAVAILABLE Cancelled unsent");
    client.reset();
    EXPECT_EQ(server.connections(), 1);
  }
}

TEST(HttpClient, calls_back_no_more_once_cancelled_within_a_callback) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(std::string(kChunkedHead) + Connection::chunk("a") + Connection::chunk("b") +
                     "0\r\n\r\n");
    connection.wait_closed();
  });
  const auto client = start_client();
  for (const bool in_head : {true, false}) {
    std::promise<ClientHandle> promise;  // `send` may not have returned when the callback runs
    std::shared_future<ClientHandle> handle = promise.get_future().share();
    std::vector<std::string> calls;
    ClientRequest request = request_to(local_url(server.port()));
    request.on_head = [&, handle](const Response&) {
      calls.push_back("head");
      if (in_head) handle.get().cancel();
    };
    request.on_body = [&, handle](std::string_view bytes) {
      calls.emplace_back(bytes);
      handle.get().cancel();
      return true;
    };
    Asked asked = ask(*client, request);
    promise.set_value(asked.handle);
    EXPECT_EQ(asked.failure(), "UNAVAILABLE Cancelled sent");
    EXPECT_EQ(calls.back(), in_head ? "head" : "a");
  }
}

TEST(HttpClient, streams_the_body_of_a_success_and_collects_that_of_a_failure) {
  RawServer server([](Connection& connection) {
    std::string request = connection.read_request();
    while (!request.empty()) {
      const std::string status = request.find("/fine") != std::string::npos ? "206" : "500";
      connection.write("HTTP/1.1 " + status + " X\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       Connection::chunk("a") + Connection::chunk("bc") + "0\r\n\r\n");
      request = connection.read_request();
    }
  });
  const auto client = start_client();
  std::vector<std::string> calls;
  ClientRequest request = request_to(local_url(server.port(), "/fine"));
  request.on_head = [&](const Response& head) { calls.push_back(std::to_string(head.status)); };
  request.on_body = [&](std::string_view bytes) {
    calls.emplace_back(bytes);
    return true;
  };
  const ClientResponse fine = ask(*client, request).response();
  EXPECT_EQ(fine.status, 206);
  EXPECT_EQ(fine.headers.get("transfer-encoding"), "chunked");
  EXPECT_EQ(fine.body, "");
  EXPECT_THAT(calls, ElementsAre("206", "a", "bc"));

  calls.clear();
  request.url.target = "/broken";
  EXPECT_EQ(ask(*client, request).response().body, "abc");
  EXPECT_THAT(calls, ElementsAre("500"));
}

TEST(HttpClient, hands_out_each_piece_of_a_stream_as_it_comes) {
  std::promise<void> seen;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(std::string(kChunkedHead) + "2\r\na");
    seen.get_future().wait();
    connection.write("b\r\n0\r\n\r\n");
  });
  const auto client = start_client();
  ClientRequest request = request_to(local_url(server.port()));
  std::string body;
  request.on_body = [&](std::string_view bytes) {
    if (body.empty()) seen.set_value();
    body += bytes;
    return true;
  };
  EXPECT_EQ(ask(*client, request).response().status, 200);
  EXPECT_EQ(body, "ab");
}

TEST(HttpClient, ends_an_exchange_whose_taker_wants_no_more_or_throws) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(std::string(kChunkedHead) + Connection::chunk("a") + Connection::chunk("b"));
    connection.wait_closed();
  });
  const auto client = start_client();
  ClientRequest request = request_to(local_url(server.port()));
  request.on_body = [](std::string_view) { return false; };
  EXPECT_EQ(ask(*client, request).failure(), "UNAVAILABLE Cancelled sent");
  request.on_body = [](std::string_view) -> bool { throw std::runtime_error("x"); };
  EXPECT_EQ(ask(*client, request).failure(), "INTERNAL  sent");
  request.on_head = [](const Response&) { throw std::runtime_error("x"); };
  EXPECT_EQ(ask(*client, request).failure(), "INTERNAL  sent");
}

TEST(HttpClient, holds_a_stream_back_while_it_is_paused) {
  const std::string piece(64 * 1024, 'x');
  constexpr int kPieces = 200;
  std::atomic<int> written = 0;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    for (; written < kPieces; ++written) connection.write(Connection::chunk(piece));
    connection.write("0\r\n\r\n");
  });
  RawServer other([](Connection& connection) { connection.write(Connection::response(200, "a")); });
  const auto client = start_client();
  std::promise<ClientHandle> promise;
  std::shared_future<ClientHandle> handle = promise.get_future().share();
  std::promise<void> paused;
  std::atomic<std::size_t> taken = 0;
  ClientRequest request = request_to(local_url(server.port()));
  request.on_body = [&, handle](std::string_view bytes) {
    const bool first = taken == 0;
    taken += bytes.size();
    if (first) {
      handle.get().pause();
      paused.set_value();
    }
    return true;
  };
  Asked stream = ask(*client, request);
  promise.set_value(stream.handle);
  paused.get_future().wait();
  const std::size_t before = taken;
  for (int i = 0; i < 10; ++i) get(*client, other.port()).response();
  EXPECT_EQ(taken, before);
  EXPECT_LT(written, kPieces);
  stream.handle.resume();
  EXPECT_EQ(stream.response().status, 200);
  EXPECT_EQ(taken, kPieces * piece.size());
}

TEST(HttpClient, keeps_to_its_limit_per_host_and_serves_all) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  const auto server = start_server([&](const Request& request, Respond respond) {
    const int current = ++now;
    if (current > most) most = current;
    std::thread([&now, respond = std::move(respond), target = request.target] {
      std::this_thread::yield();
      --now;
      respond({200, {}, target});
    }).detach();
  });
  HttpClient::Options options;
  options.max_connections_per_host = 4;
  const auto client = start_client(options);
  std::vector<Asked> all;
  for (int i = 0; i < 300; ++i)
    all.push_back(get(*client, server->port(), "/" + std::to_string(i)));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(all[i].response().body, "/" + std::to_string(i));
  EXPECT_LE(most, 4);
  EXPECT_LE(server->stats().connections, 4);
}

TEST(HttpClient, refuses_requests_when_too_many_wait) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient::Options options;
  options.max_connections_per_host = 1;
  options.max_waiting_per_host = 1;
  const auto client = start_client(options);
  Asked first = get(*client, server->port());
  const Held answer = held.take();
  Asked second = get(*client, server->port());
  EXPECT_EQ(get(*client, server->port()).failure(), "UNAVAILABLE TooManyRequests unsent");
  answer.respond({200, {}, "a"});
  EXPECT_EQ(first.response().body, "a");
  held.take().respond({200, {}, "b"});
  EXPECT_EQ(second.response().body, "b");
}

TEST(HttpClient, keeps_to_its_limit_in_all) {
  const auto one = start_server(echo);
  const auto two = start_server(echo);
  HttpClient::Options options;
  options.max_connections = 1;
  const auto client = start_client(options);
  std::vector<Asked> all;
  for (int i = 0; i < 20; ++i) all.push_back(get(*client, (i % 2 ? one : two)->port()));
  for (Asked& asked : all) EXPECT_EQ(asked.response().status, 200);
  EXPECT_LE(one->stats().connections + two->stats().connections, 2);  // one may be going
}

TEST(HttpClient, may_be_used_from_its_own_callbacks_and_from_many_threads) {
  const auto server = start_server(echo);
  const auto client = start_client();
  std::atomic<int> done = 0;
  std::function<void(int)> chain = [&](int left) {
    client->send(request_to(local_url(server->port())), [&, left](ClientResult result) {
      EXPECT_TRUE(result.response.ok());
      ++done;
      if (left > 1) chain(left - 1);
    });
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      chain(20);
      for (int n = 0; n < 20; ++n) {
        Asked asked = get(*client, server->port());
        if (n % 4 == i) asked.handle.cancel();
        asked.get();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(test::eventually([&] { return done == 80; }));
}

TEST(HttpClient, ends_what_is_in_flight_when_it_is_destroyed) {
  RawServer silent(be_silent);
  RawServer half([](Connection& connection) {
    connection.read_request();
    connection.write(std::string(kChunkedHead) + Connection::chunk("a"));
    connection.wait_closed();
  });
  HttpClient::Options options;
  options.max_connections_per_host = 1;
  auto client = start_client(options);
  std::vector<Asked> all;
  all.push_back(ask(*client, stuck_in_handshake(silent)));
  all.push_back(get(*client, silent.port()));
  all.push_back(get(*client, silent.port()));  // waits for its turn
  std::promise<ClientHandle> promise;
  std::shared_future<ClientHandle> handle = promise.get_future().share();
  std::promise<void> paused;
  ClientRequest request = request_to(local_url(half.port()));
  request.on_body = [&, handle](std::string_view) {
    handle.get().pause();
    paused.set_value();
    return true;
  };
  all.push_back(ask(*client, request));
  promise.set_value(all.back().handle);
  paused.get_future().wait();
  std::promise<std::string> again;  // what is sent from a callback fails too
  HttpClient* const closing = client.get();
  client->send(request_to(local_url(silent.port())), [&](const ClientResult&) {
    closing->send(request_to(local_url(half.port())), [&](const ClientResult& result) {
      again.set_value(result.response.error().reason);
    });
  });
  client.reset();
  for (Asked& asked : all) {
    EXPECT_TRUE(asked.is_done());
    EXPECT_EQ(asked.get().response.error().reason, "ClientClosed");
    asked.handle.cancel();  // in vain
  }
  EXPECT_EQ(again.get_future().get(), "ClientClosed");
}

}  // namespace
}  // namespace oa::net
