#include "libs/net/http_server.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/manual_clock.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using test::eventually;
using test::HttpClient;
using test::HttpReply;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST(HttpServer, answers_with_what_its_handler_gives) {
  const auto server = start_server([](const Request& request, const Respond& respond) {
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.target, "/kv/a%20b?x=1");
    EXPECT_EQ(request.headers.get("x-y"), "z");
    EXPECT_EQ(request.body, "value");
    EXPECT_THAT(request.peer, MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
    respond({201, {{"ETag", "\"1\""}}, "made"});
  });
  const HttpReply reply =
      HttpClient(server->port()).request("PUT", "/kv/a%20b?x=1", "value", {{"X-Y", "z"}});
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.header("etag"), "\"1\"");
  EXPECT_THAT(reply.header("date"), MatchesRegex("[A-Z][a-z]{2}, .* GMT"));
  EXPECT_EQ(reply.body, "made");
}

TEST(HttpServer, keeps_a_connection_for_many_requests) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  for (int i = 0; i < 1000; ++i) {
    const std::string body = std::to_string(i);
    ASSERT_EQ(client.request("POST", "/x", body).body, "POST /x " + body);
  }
  EXPECT_EQ(server->stats().connections, 1u);
}

TEST(HttpServer, serves_many_connections_one_after_another) {
  const auto server = start_server(echo);
  for (int i = 0; i < 1000; ++i) {
    HttpClient client(server->port());
    ASSERT_EQ(client.request("GET", "/" + std::to_string(i)).status, 200);
  }
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
}

TEST(HttpServer, serves_many_connections_at_once) {
  for (const int threads : {1, 3}) {
    HttpServer::Options options;
    options.threads = threads;
    const auto server = start_server(echo, options);
    std::vector<std::thread> clients;
    std::atomic<int> right{0};
    for (int c = 0; c < 32; ++c) {
      clients.emplace_back([&, c] {
        HttpClient client(server->port());
        for (int i = 0; i < 50; ++i) {
          const std::string body = std::to_string(c * 1000 + i);
          right += client.request("POST", "/", body).body == "POST / " + body;
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(right, 32 * 50);
  }
}

TEST(HttpServer, answers_pipelined_requests_in_order_and_one_at_a_time) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  std::string all;
  for (int i = 0; i < 3; ++i) {
    all += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" +
           std::to_string(i);
  }
  client.send(all);
  for (int i = 0; i < 3; ++i) {
    Held next = held.take();
    EXPECT_EQ(server->stats().in_flight, 1u);
    EXPECT_EQ(next.request.target, "/" + std::to_string(i));
    next.respond({200, {}, "answer " + next.request.body});
    EXPECT_EQ(client.read_reply().body, "answer " + std::to_string(i));
  }
}

TEST(HttpServer, answers_thousands_of_pipelined_requests) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  std::thread sender([&] {
    for (int i = 0; i < 5000; ++i)
      client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
  });
  int right = 0;
  for (int i = 0; i < 5000; ++i)
    right += client.read_reply().body == "GET /" + std::to_string(i) + " ";
  sender.join();
  EXPECT_EQ(right, 5000);
}

TEST(HttpServer, answers_head_like_get_without_the_body) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  const HttpReply head = client.request("HEAD", "/x");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), std::to_string(std::string("HEAD /x ").size()));
  EXPECT_EQ(client.request("GET", "/x").body, "GET /x ");  // nothing of a body was in between
}

TEST(HttpServer, sends_no_body_with_204_and_304) {
  const auto server = start_server([](const Request& request, const Respond& respond) {
    respond({request.target == "/204" ? 204 : 304, {}, "must not be seen"});
  });
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/204").status, 204);
  EXPECT_EQ(client.request("GET", "/304").status, 304);
  EXPECT_EQ(client.request("GET", "/204").status, 204);
}

TEST(HttpServer, takes_chunked_bodies) {
  const auto server = start_server(echo);
  const HttpReply reply = test::raw_request(server->port(),
                                            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                            "chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
  EXPECT_EQ(reply.body, "POST / hello!");
}

TEST(HttpServer, tells_a_client_that_asks_to_continue) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_EQ(client.read_reply().body, "POST / hi");
}

TEST(HttpServer, does_not_invite_a_body_that_came_already) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\nhi");
  EXPECT_THAT(client.read_to_end(), testing::Optional(testing::StartsWith("HTTP/1.1 200 OK")));
}

TEST(HttpServer, moves_large_bodies_both_ways) {
  const auto server = start_server([](Request request, const Respond& respond) {
    respond({200, {}, std::move(request.body)});
  });
  std::string body;
  for (int i = 0; body.size() < 8'000'000; ++i) body += std::to_string(i);
  HttpClient client(server->port());
  EXPECT_TRUE(client.request("POST", "/", body).body == body);
  EXPECT_TRUE(client.request("POST", "/", body).body == body);
}

TEST(HttpServer, closes_when_the_client_wants_it_closed) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  const HttpReply reply = client.request("GET", "/", "", {{"Connection", "close"}});
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_TRUE(client.wait_for_close());
}

TEST(HttpServer, closes_when_the_handler_wants_it_closed) {
  const auto server = start_server([](const Request&, const Respond& respond) {
    respond({200, {{"Connection", "close"}}, ""});
  });
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/").header("connection"), "close");
  EXPECT_TRUE(client.wait_for_close());
}

TEST(HttpServer, speaks_http_1_0) {
  const auto server = start_server(echo);
  HttpClient brief(server->port());
  brief.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_THAT(brief.read_to_end(), testing::Optional(HasSubstr("\r\nConnection: close\r\n")));

  HttpClient lasting(server->port());
  for (int i = 0; i < 3; ++i) {
    lasting.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(lasting.read_reply().header("connection"), "keep-alive");
  }
}

TEST(HttpServer, answers_a_client_that_has_finished_sending) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  client.finish_sending();
  EXPECT_THAT(client.read_to_end(), testing::Optional(testing::EndsWith("GET / ")));
}

TEST(HttpServer, takes_answers_from_other_threads) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  std::thread answering([&] {
    for (int i = 0; i < 200; ++i) {
      Held next = held.take();
      next.respond({200, {}, next.request.target});
    }
  });
  HttpClient a(server->port());
  HttpClient b(server->port());
  for (int i = 0; i < 100; ++i) {
    a.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(b.request("GET", "/b").body, "/b");
    EXPECT_EQ(a.read_reply().body, "/a");
  }
  answering.join();
}

TEST(HttpServer, takes_an_answer_from_within_another_requests_handler) {
  Respond first;  // used on the server's one thread only
  const auto server = start_server([&first](const Request& request, const Respond& respond) {
    if (request.target == "/first") {
      first = respond;
    } else {
      first({200, {}, "let go"});
      first = nullptr;
      respond({200, {}, "second"});
    }
  });
  HttpClient a(server->port());
  a.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server->stats().in_flight == 1; }));
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/second").body, "second");
  EXPECT_EQ(a.read_reply().body, "let go");
}

TEST(HttpServer, answers_500_when_the_answer_is_dropped) {
  const auto server = start_server([](const Request&, const Respond&) {});
  HttpClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    const HttpReply reply = client.request("GET", "/");
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(nlohmann::json::parse(reply.body)["code"], "INTERNAL");
  }
}

TEST(HttpServer, answers_500_when_the_answer_is_dropped_by_another_thread) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  std::thread dropping([&] { held.take(); });
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/").status, 500);
  dropping.join();
}

TEST(HttpServer, answers_500_when_the_handler_throws_and_lives_on) {
  test::ManualClock clock;
  std::vector<std::string> lines;
  HttpServer::Options options;
  options.logger.emplace(
      "net", obs::LogOptions{.sink = [&](std::string_view l) { lines.emplace_back(l); }}, clock);
  const auto server = start_server(
      [](const Request& request, const Respond& respond) {
        if (request.target == "/int") throw 1;
        if (request.target == "/late") {
          respond({200, {}, "answered first"});
        }
        throw std::runtime_error("the cause");
      },
      options);
  HttpClient client(server->port());
  const HttpReply reply = client.request("GET", "/");
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, testing::Not(HasSubstr("the cause")));  // for logs, not for strangers
  EXPECT_EQ(client.request("GET", "/int").status, 500);
  EXPECT_EQ(client.request("GET", "/late").body, "answered first");
  ASSERT_TRUE(server->drain(std::chrono::seconds(20)));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("\"error\":\"the cause\""));
}

TEST(HttpServer, ignores_an_answer_to_a_request_whose_handler_threw) {
  std::vector<Respond> kept;
  const auto server = start_server([&kept](const Request&, const Respond& respond) {
    kept.push_back(respond);
    throw std::runtime_error("after keeping it");
  });
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/").status, 500);
  kept[0]({200, {}, "too late"});
  EXPECT_EQ(client.request("GET", "/").status, 500);
}

TEST(HttpServer, answers_500_to_a_status_that_is_none) {
  const auto server = start_server([](const Request& request, const Respond& respond) {
    respond({std::atoi(request.target.c_str() + 1), {}, ""});
  });
  HttpClient client(server->port());
  for (const std::string target : {"/0", "/-1", "/100", "/199", "/600", "/99999"}) {
    EXPECT_EQ(client.request("GET", target).status, 500) << target;
  }
}

TEST(HttpServer, discards_an_answer_to_a_client_that_has_gone) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  for (const bool with_reset : {false, true}) {
    HttpClient client(server->port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Held next = held.take();
    with_reset ? client.reset() : client.close();
    next.respond({200, {}, std::string(1'000'000, 'x')});
  }
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
  EXPECT_EQ(server->stats().in_flight, 0u);
}

TEST(HttpServer, discards_answers_that_come_after_it_has_gone) {
  HeldRequests held;
  auto server = start_server(held.handler());
  HttpClient client(server->port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held answered = held.take();
  HttpClient other(server->port());
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Held dropped = held.take();
  server.reset();
  EXPECT_TRUE(client.wait_for_close());
  answered.respond({200, {}, ""});
}

TEST(HttpServer, can_be_destroyed_in_the_midst_of_everything) {
  for (int round = 0; round < 20; ++round) {
    HeldRequests held;
    HttpServer::Options options;
    options.threads = 1 + round % 2;
    auto server = start_server(held.handler(), options);
    HttpClient idle(server->port());
    HttpClient half(server->port());
    half.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Le");
    HttpClient waiting(server->port());
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    HttpClient reading(server->port());
    reading.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    Held large = held.take();
    Held other = held.take();
    std::thread answering([&] {
      large.respond({200, {}, std::string(10'000'000, 'x')});
      if (round % 3 == 0) other.respond({200, {}, "x"});
    });
    if (round % 2 == 0) answering.join();
    server.reset();
    if (answering.joinable()) answering.join();
    EXPECT_TRUE(idle.wait_for_close());
    EXPECT_TRUE(half.wait_for_close());
  }
}

TEST(HttpServer, puts_its_own_headers_on_every_answer) {
  HttpServer::Options options;
  options.extra_headers = {{"Agent-Uid", "u1"}};
  options.limits.header_bytes = 200;
  const auto server = start_server(echo, options);
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/").header("agent-uid"), "u1");
  EXPECT_EQ(test::raw_request(server->port(), "\x01").header("agent-uid"), "u1");
  const HttpReply large = test::raw_request(server->port(), "GET /" + std::string(300, 'x'));
  EXPECT_EQ(large.status, 431);
  EXPECT_EQ(large.header("agent-uid"), "u1");
}

TEST(HttpServer, answers_malformed_requests_with_a_problem_and_closes) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.send("NONSENSE\r\n\r\nmore nonsense that nobody will read");
  const HttpReply reply = client.read_reply();
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.header("content-type"), "application/problem+json");
  EXPECT_EQ(reply.header("connection"), "close");
  const auto problem = nlohmann::json::parse(reply.body);
  EXPECT_EQ(problem["code"], "INVALID_REQUEST");
  EXPECT_EQ(problem["status"], 400);
  EXPECT_TRUE(client.wait_for_close());
}

TEST(HttpServer, answers_half_a_request_with_a_problem) {
  const auto server = start_server(echo);
  for (const std::string text : {"GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n",
                                 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"}) {
    HttpClient client(server->port());
    client.send(text);
    client.finish_sending();
    EXPECT_THAT(client.read_to_end(), testing::Optional(testing::StartsWith("HTTP/1.1 400 ")))
        << text;
  }
}

TEST(HttpServer, says_nothing_to_a_connection_that_said_nothing) {
  const auto server = start_server(echo);
  HttpClient client(server->port());
  client.finish_sending();
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(HttpServer, survives_random_bytes) {
  const auto server = start_server(echo);
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    if (random() % 2 == 0)
      bytes = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (auto n = random() % 400; n > 0; --n) bytes += static_cast<char>(random());
    if (random() % 2 == 0) bytes += "\r\n\r\n";
    HttpClient client(server->port());
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = 1 + random() % 200;
      if (!client.send(bytes.substr(at, piece))) break;
      at += piece;
    }
    switch (random() % 3) {
      case 0:
        client.reset();
        break;
      case 1:
        client.finish_sending();
        EXPECT_TRUE(client.wait_for_close());
        break;
      default:
        break;
    }
  }
  EXPECT_EQ(HttpClient(server->port()).request("GET", "/").status, 200);
  EXPECT_TRUE(eventually([&] { return server->stats().connections <= 1; }));
}

}  // namespace
}  // namespace oa::net
