#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/websocket.h"
#include "tests/unit/libs/net/server_fixture.h"
#include "tests/unit/libs/net/websocket_client.h"

namespace oa::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::client_close;
using test::client_frame;
using test::close_frame;
using test::eventually;
using test::ServerFrame;
using test::WebSocketClient;
using testing::ElementsAre;
using testing::HasSubstr;

// What one socket's callbacks were called with.
class Record {
 public:
  void listen(WebSocket& socket) {
    socket.on_message([this](std::string data, bool binary) {
      add((binary ? "binary " : "text ") + data.substr(0, 40));
    });
    listen_to_close(socket);
  }
  void listen_to_close(WebSocket& socket) {
    socket.on_closed([this](std::uint16_t code, const std::string& reason) {
      add("closed " + std::to_string(code) + " " + reason);
    });
  }
  std::vector<std::string> calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
  }
  bool comes_to(const std::vector<std::string>& expected) const {
    const bool came = eventually([&] { return calls() == expected; });
    EXPECT_EQ(calls(), expected);
    return came;
  }

 private:
  void add(std::string call) {
    std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
  }

  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
};

// Upgrades every request, and keeps the sockets.
class Sockets {
 public:
  explicit Sockets(HttpServer::Options options = {}, std::string protocol = "")
      : protocol_(std::move(protocol)),
        server_(start_server([this](const Request&, const Respond& respond) { respond(answer()); },
                             options)) {}

  int port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  void stop() { server_.reset(); }

  std::shared_ptr<WebSocket> take() {
    std::shared_ptr<WebSocket> socket;
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex_);
      if (opened_.empty()) return false;
      socket = std::move(opened_.back());
      opened_.pop_back();
      return true;
    }));
    return socket;
  }

 private:
  Response answer() {
    Response response;
    response.headers.add("X-Mine", "1");
    response.websocket = WebSocketAccept{protocol_, [this](std::shared_ptr<WebSocket> socket) {
                                           std::lock_guard lock(mutex_);
                                           opened_.push_back(std::move(socket));
                                         }};
    return response;
  }

  const std::string protocol_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<WebSocket>> opened_;
  std::unique_ptr<HttpServer> server_;  // last: its handler uses the rest
};

struct Pair {
  explicit Pair(HttpServer::Options options = {})
      : sockets(std::move(options)), client(sockets.port()), socket(sockets.take()) {
    record.listen(*socket);
  }
  Record record;
  Sockets sockets;
  WebSocketClient client;
  std::shared_ptr<WebSocket> socket;
};

TEST(HttpServerWebSocket, upgrades_the_connection) {
  Sockets sockets({}, "openagents.v1");
  WebSocketClient client(sockets.port());
  EXPECT_THAT(client.head(), testing::StartsWith("HTTP/1.1 101 Switching Protocols\r\nX-Mine: 1"));
  EXPECT_THAT(client.head(), HasSubstr("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                       "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                       "Sec-WebSocket-Protocol: openagents.v1"));
  EXPECT_THAT(client.head(), testing::Not(HasSubstr("Content-Length")));
  const auto socket = sockets.take();
  EXPECT_EQ(sockets.server().stats().connections, 1u);
  EXPECT_TRUE(eventually([&] { return sockets.server().stats().in_flight == 0; }));
}

TEST(HttpServerWebSocket, refuses_to_upgrade_a_request_that_is_no_handshake) {
  Sockets sockets;
  test::HttpClient client(sockets.port());
  const test::HttpReply reply = client.request("GET", "/");
  EXPECT_EQ(reply.status, 426);
  EXPECT_EQ(reply.header("upgrade"), "websocket");
  EXPECT_EQ(reply.header("connection"), "upgrade");
  EXPECT_EQ(client.request("POST", "/", "x").status, 426);  // the connection is as good as before
}

TEST(HttpServerWebSocket, moves_messages_both_ways_in_order) {
  Pair pair;
  pair.client.send_text("one");
  pair.client.send(client_frame(0x82, "two"));
  pair.client.send(client_frame(0x01, "th") + client_frame(0x89, "ping") +
                   client_frame(0x80, "ree"));
  EXPECT_TRUE(pair.record.comes_to({"text one", "binary two", "text three"}));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x8A, "ping"}));
  EXPECT_TRUE(pair.socket->send("hello", false));
  EXPECT_TRUE(pair.socket->send(std::string(70'000, 'x'), true));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x81, "hello"}));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x82, std::string(70'000, 'x')}));
  EXPECT_TRUE(eventually([&] { return pair.socket->buffered() == 0; }));
}

TEST(HttpServerWebSocket, takes_what_comes_right_behind_the_handshake) {
  Record record;
  Sockets sockets;
  WebSocketClient client(sockets.port(), client_frame(0x81, "early"));
  const auto socket = sockets.take();
  record.listen(*socket);
  EXPECT_TRUE(record.comes_to({"text early"}));
}

TEST(HttpServerWebSocket, answers_a_close_and_ends) {
  Pair pair;
  pair.client.send_text("last");
  pair.client.send(client_close(4001, "bye"));
  EXPECT_EQ(pair.client.read(), close_frame(4001, "bye"));
  EXPECT_TRUE(pair.client.http().wait_for_close());
  EXPECT_TRUE(pair.record.comes_to({"text last", "closed 4001 bye"}));
  EXPECT_FALSE(pair.socket->send("late", false));
  EXPECT_TRUE(eventually([&] { return pair.sockets.server().stats().connections == 0; }));
  Record late;
  late.listen(*pair.socket);
  EXPECT_TRUE(late.comes_to({"closed 4001 bye"}));
}

TEST(HttpServerWebSocket, answers_a_close_without_a_code_likewise) {
  Pair pair;
  pair.client.send(client_frame(0x88, ""));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x88, ""}));
  EXPECT_TRUE(pair.record.comes_to({"closed 1005 "}));
}

TEST(HttpServerWebSocket, closes_after_what_was_sent_before) {
  Pair pair;
  EXPECT_TRUE(pair.socket->send("last", false));
  pair.socket->close(1000, "done");
  pair.socket->close(1011, "twice");
  EXPECT_FALSE(pair.socket->send("late", false));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x81, "last"}));
  EXPECT_EQ(pair.client.read(), close_frame(1000, "done"));
  pair.client.send_text("ignored");
  pair.client.send(client_close(1000, "done"));
  EXPECT_TRUE(pair.client.http().wait_for_close());
  EXPECT_TRUE(pair.record.comes_to({"closed 1000 done"}));
}

TEST(HttpServerWebSocket, does_not_wait_forever_for_the_clients_close) {
  HttpServer::Options options;
  options.limits.websocket_close_timeout = milliseconds(30);
  Pair pair(options);
  pair.socket->close(1000, "");
  EXPECT_EQ(pair.client.read(), close_frame(1000, ""));
  EXPECT_TRUE(pair.client.http().wait_for_close());
  EXPECT_TRUE(pair.record.comes_to({"closed 1000 "}));
}

TEST(HttpServerWebSocket, closes_with_the_code_of_what_is_wrong) {
  HttpServer::Options options;
  options.limits.websocket_message_bytes = 1000;
  const std::pair<std::string, int> wrong[] = {
      {std::string("\x81\x01x", 3), 1002}, {client_frame(0xF1, "x"), 1002},
      {client_frame(0x81, "\xFF"), 1007},  {client_frame(0x82, std::string(1001, 'x')), 1009},
      {client_close(1006, ""), 1002},
  };
  for (const auto& [bytes, code] : wrong) {
    Pair pair(options);
    pair.client.send(bytes + client_frame(0x81, "not looked at"));
    const ServerFrame closed = pair.client.read();
    EXPECT_EQ(closed.first, 0x88);
    EXPECT_EQ(closed.payload.substr(0, 2),
              close_frame(static_cast<std::uint16_t>(code), "").payload);
    EXPECT_EQ(pair.client.http().read_some(), "");
    pair.client.http().close();
    EXPECT_TRUE(eventually([&] { return pair.record.calls().size() == 1; }));
    EXPECT_THAT(pair.record.calls()[0], testing::StartsWith("closed " + std::to_string(code)));
  }
}

TEST(HttpServerWebSocket, notices_a_client_that_has_gone) {
  for (const bool with_reset : {false, true}) {
    Pair pair;
    with_reset ? pair.client.http().reset() : pair.client.http().close();
    EXPECT_TRUE(pair.record.comes_to({"closed 1006 "}));
    EXPECT_FALSE(pair.socket->send("x", false));
  }
}

TEST(HttpServerWebSocket, pings_an_idle_client_and_gives_up_without_an_answer) {
  HttpServer::Options options;
  options.limits.websocket_ping_interval = milliseconds(20);
  options.limits.websocket_ping_timeout = milliseconds(500);
  Pair pair(options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pair.client.read(), (ServerFrame{0x89, ""}));
    pair.client.send(client_frame(0x8A, ""));
  }
  EXPECT_THAT(pair.record.calls(), ElementsAre());
  EXPECT_TRUE(pair.client.http().wait_for_close());
  EXPECT_TRUE(pair.record.comes_to({"closed 1006 "}));
}

TEST(HttpServerWebSocket, closes_on_a_client_for_whom_too_much_waits) {
  HttpServer::Options options;
  options.limits.stream_buffer_bytes = 100'000;
  Pair pair(options);
  EXPECT_TRUE(eventually([&] { return !pair.socket->send(std::string(50'000, 'x'), true); }));
  ServerFrame frame = pair.client.read();
  for (; frame.first == 0x82; frame = pair.client.read()) EXPECT_EQ(frame.payload.size(), 50'000u);
  EXPECT_EQ(frame, close_frame(1008, "the client reads too slowly"));
  pair.client.send(client_close(1008, ""));
  EXPECT_TRUE(pair.record.comes_to({"closed 1008 the client reads too slowly"}));
}

TEST(HttpServerWebSocket, cuts_off_a_client_that_takes_nothing) {
  HttpServer::Options options;
  options.limits.write_timeout = milliseconds(30);
  Pair pair(options);
  EXPECT_TRUE(pair.socket->send(std::string(20'000'000, 'x'), true));
  EXPECT_TRUE(pair.record.comes_to({"closed 1006 "}));
  EXPECT_EQ(pair.socket->buffered(), 0u);
}

TEST(HttpServerWebSocket, holds_messages_while_paused_and_answers_pings) {
  Pair pair;
  pair.socket->pause_reading(true);
  pair.client.send_text("one");
  pair.client.send_text("two");
  pair.client.send(client_frame(0x89, "still there?"));
  EXPECT_EQ(pair.client.read(), (ServerFrame{0x8A, "still there?"}));
  EXPECT_THAT(pair.record.calls(), ElementsAre());
  pair.socket->pause_reading(false);
  EXPECT_TRUE(pair.record.comes_to({"text one", "text two"}));
}

TEST(HttpServerWebSocket, stops_reading_when_too_much_is_held_and_goes_on_later) {
  HttpServer::Options options;
  options.limits.websocket_message_bytes = 100'000;
  Pair pair(options);
  pair.socket->pause_reading(true);
  std::atomic<int> sent = 0;
  std::thread sending([&] {
    for (int i = 0; i < 300; ++i) {
      pair.client.send(client_frame(0x82, std::string(50'000, 'x')));
      ++sent;
    }
  });
  // The server holds its two messages, and the kernel's buffers are full as well.
  EXPECT_TRUE(eventually([&] {
    pollfd writable{pair.client.http().fd(), POLLOUT, 0};
    return sent > 2 && ::poll(&writable, 1, 50) == 0;
  }));
  EXPECT_LT(sent, 300);
  EXPECT_THAT(pair.record.calls(), ElementsAre());
  pair.socket->pause_reading(false);
  EXPECT_TRUE(eventually([&] { return pair.record.calls().size() >= 300; }));
  sending.join();
}

TEST(HttpServerWebSocket, does_not_take_a_client_that_it_does_not_read_for_a_dead_one) {
  HttpServer::Options options;
  options.limits.websocket_message_bytes = 100;
  options.limits.websocket_ping_interval = milliseconds(100);
  options.limits.websocket_ping_timeout = milliseconds(200);
  Pair pair(options);
  pair.socket->pause_reading(true);
  for (int i = 0; i < 2; ++i) pair.client.send_text(std::string(100, 'x'));
  // Twice as long as it takes to give up on a client that is read.
  for (int i = 0; i < 2; ++i) {
    WebSocketClient dead(pair.sockets.port());
    const auto socket = pair.sockets.take();
    EXPECT_TRUE(dead.http().wait_for_close());
  }
  EXPECT_THAT(pair.record.calls(), ElementsAre());
  pair.socket->pause_reading(false);
  const std::string message = "text " + std::string(40, 'x');
  EXPECT_TRUE(pair.record.comes_to({message, message}));
}

TEST(HttpServerWebSocket, delivers_what_was_held_before_it_says_that_the_client_closed) {
  Pair pair;
  pair.socket->pause_reading(true);
  pair.client.send_text("one");
  pair.client.send(client_close(1000, ""));
  EXPECT_EQ(pair.client.read(), close_frame(1000, ""));
  EXPECT_TRUE(pair.client.http().wait_for_close());
  EXPECT_TRUE(eventually([&] { return pair.sockets.server().stats().connections == 0; }));
  EXPECT_THAT(pair.record.calls(), ElementsAre());
  pair.socket->pause_reading(false);
  EXPECT_TRUE(pair.record.comes_to({"text one", "closed 1000 "}));
}

TEST(HttpServerWebSocket, is_closed_with_1001_at_a_drain) {
  Pair pair;
  std::thread draining([&] { EXPECT_TRUE(pair.sockets.server().drain(seconds(60))); });
  EXPECT_EQ(pair.client.read(), close_frame(1001, "the server is shutting down"));
  pair.client.send(client_close(1001, ""));
  draining.join();
  EXPECT_THAT(pair.record.calls(), ElementsAre("closed 1001 the server is shutting down"));
}

TEST(HttpServerWebSocket, does_not_hold_up_a_drain_beyond_its_deadline) {
  Pair pair;
  EXPECT_TRUE(pair.sockets.server().drain(milliseconds(20)));
  EXPECT_THAT(pair.record.calls(), ElementsAre("closed 1001 the server is shutting down"));
}

TEST(HttpServerWebSocket, is_closed_with_1011_when_its_owner_drops_it) {
  Pair pair;
  pair.socket.reset();
  EXPECT_EQ(pair.client.read(), close_frame(1011, ""));
  pair.client.send(client_close(1011, ""));
  EXPECT_TRUE(pair.record.comes_to({"closed 1011 "}));
}

TEST(HttpServerWebSocket, is_closed_with_1011_when_opening_it_throws) {
  const auto server = start_server([](const Request&, const Respond& respond) {
    Response response;
    response.websocket = WebSocketAccept{
        "", [](const std::shared_ptr<WebSocket>&) { throw std::runtime_error("no"); }};
    respond(std::move(response));
  });
  WebSocketClient client(server->port());
  EXPECT_EQ(client.read(), close_frame(1011, ""));
}

TEST(HttpServerWebSocket, can_be_used_when_the_server_has_gone) {
  Pair pair;
  pair.socket->on_message([socket = pair.socket](const std::string&, bool) {});
  pair.sockets.stop();
  EXPECT_THAT(pair.record.calls(), ElementsAre("closed 1006 "));
  EXPECT_FALSE(pair.socket->send("x", false));
  pair.socket->close(1000, "");
  pair.socket->pause_reading(false);
  Record late;
  late.listen(*pair.socket);
  EXPECT_THAT(late.calls(), ElementsAre("closed 1006 "));
}

TEST(HttpServerWebSocket, echoes_thousands_of_messages_over_many_sockets) {
  HttpServer::Options options;
  options.threads = 2;
  Sockets sockets(options);
  std::vector<std::unique_ptr<WebSocketClient>> clients;
  std::vector<std::shared_ptr<WebSocket>> open;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<WebSocketClient>(sockets.port()));
    open.push_back(sockets.take());
    open.back()->on_message(
        [socket = std::weak_ptr<WebSocket>(open.back())](const std::string& data, bool binary) {
          if (const auto to = socket.lock()) to->send(data, binary);
        });
  }
  for (auto& client : clients) {
    std::string frames;
    for (int i = 0; i < 200; ++i) frames += client_frame(0x81, std::to_string(i));
    client->send(frames);
  }
  for (auto& client : clients) {
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(client->read(), (ServerFrame{0x81, std::to_string(i)}));
    }
  }
}

TEST(HttpServerWebSocket, can_be_destroyed_while_sockets_are_used) {
  for (int round = 0; round < 5; ++round) {
    HttpServer::Options options;
    options.threads = 2;
    Sockets sockets(options);
    std::vector<std::unique_ptr<WebSocketClient>> clients;
    std::vector<std::shared_ptr<WebSocket>> open;
    std::atomic<int> closed = 0;
    for (int i = 0; i < 6; ++i) {
      clients.push_back(std::make_unique<WebSocketClient>(sockets.port()));
      open.push_back(sockets.take());
      open.back()->on_closed([&](std::uint16_t, const std::string&) { ++closed; });
    }
    std::atomic<bool> stop = false;
    std::thread sending([&] {
      while (!stop) {
        for (const auto& socket : open) {
          socket->pause_reading(true);
          socket->send("some text", false);
          socket->pause_reading(false);
        }
      }
    });
    for (std::size_t i = 0; i < clients.size(); i += 2) clients[i]->http().reset();
    clients[1]->send(client_close(1000, ""));
    sockets.stop();
    stop = true;
    sending.join();
    EXPECT_EQ(closed, 6);
  }
}

}  // namespace
}  // namespace oa::net
