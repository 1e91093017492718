#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/stream.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::eventually;
using test::HttpClient;
using test::HttpReply;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Optional;

constexpr seconds kLong{60};
constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// The writers of the streams that the server has opened, one by one.
class OpenStreams {
 public:
  Handler handler() {
    return [this](const Request&, const Respond& respond) { respond(answer()); };
  }
  Response answer() {
    Response response;
    response.headers.add("Content-Type", "text/plain");
    response.stream = [this](std::shared_ptr<BodyWriter> writer) {
      std::lock_guard lock(mutex_);
      opened_.push_back(std::move(writer));
    };
    return response;
  }
  std::shared_ptr<BodyWriter> take() {
    std::shared_ptr<BodyWriter> writer;
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex_);
      if (opened_.empty()) return false;
      writer = std::move(opened_.back());
      opened_.pop_back();
      return true;
    }));
    return writer;
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return opened_.size();
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<BodyWriter>> opened_;
};

std::function<void()> count(std::atomic<int>& calls) {
  return [&calls] { ++calls; };
}

// The head of a streamed answer, and what came with it.
std::string read_head(HttpClient& client) {
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    const std::string more = client.read_some();
    if (more.empty()) break;
    head += more;
  }
  return head;
}

// Reads until the body so far, as it was sent, ends with `end`.
std::string read_until(HttpClient& client, const std::string& end) {
  std::string text;
  while (!text.ends_with(end)) {
    const std::string more = client.read_some();
    if (more.empty()) break;
    text += more;
  }
  return text;
}

TEST(HttpServerStream, sends_chunks_in_order_as_they_are_written) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  EXPECT_THAT(read_head(client), HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(writer->write("hello"));
  EXPECT_EQ(read_until(client, "hello\r\n"), "5\r\nhello\r\n");
  EXPECT_TRUE(writer->write(""));
  EXPECT_TRUE(writer->write(std::string(17, 'x')));
  EXPECT_EQ(read_until(client, "x\r\n"), "11\r\n" + std::string(17, 'x') + "\r\n");
  writer->end();
  writer->end();
  EXPECT_FALSE(writer->write("late"));
  EXPECT_EQ(read_until(client, "0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return writer->buffered() == 0; }));
}

TEST(HttpServerStream, keeps_the_connection_for_the_next_request) {
  OpenStreams streams;
  const auto server = start_server([&](const Request& request, const Respond& respond) {
    request.method == "GET" ? respond(streams.answer()) : echo(request, respond);
  });
  HttpClient client(server->port());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    const auto writer = streams.take();
    writer->write("x");
    writer->end();
    EXPECT_THAT(read_until(client, "0\r\n\r\n"), EndsWith("\r\n\r\n1\r\nx\r\n0\r\n\r\n"));
    EXPECT_EQ(client.request("POST", "/y", "z").body, "POST /y z");
  }
  EXPECT_TRUE(eventually([&] { return server->stats().in_flight == 0; }));
}

TEST(HttpServerStream, leaves_requests_sent_ahead_for_later) {
  OpenStreams streams;
  const auto server = start_server([&](const Request& request, const Respond& respond) {
    request.method == "GET" ? respond(streams.answer()) : echo(request, respond);
  });
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Le");
  writer->write("x");
  EXPECT_THAT(read_until(client, "x\r\n"), HasSubstr("chunked"));
  client.send(
      "ngth: 1\r\n\r\nbPUT /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
      "Content-Length: 40000\r\n\r\n" +
      std::string(40'000, 'd'));
  writer->end();
  const std::string answers = client.read_to_end().value_or("");
  EXPECT_THAT(answers, testing::StartsWith("0\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answers, HasSubstr("\r\n\r\nPOST /a bHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answers, EndsWith("\r\n\r\nPUT /c " + std::string(40'000, 'd')));
}

TEST(HttpServerStream, ends_with_the_connection_in_http_1_0) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto writer = streams.take();
  writer->write("one ");
  writer->write("two");
  writer->end();
  const std::optional<std::string> answer = client.read_to_end();
  EXPECT_THAT(answer, Optional(EndsWith("Connection: close\r\n\r\none two")));
  EXPECT_THAT(answer, Optional(testing::Not(HasSubstr("chunked"))));
}

TEST(HttpServerStream, answers_head_without_opening_it) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  for (int i = 0; i < 2; ++i) {
    const HttpReply reply = client.request("HEAD", "/");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("transfer-encoding"), "chunked");
  }
  EXPECT_EQ(streams.size(), 0u);
}

TEST(HttpServerStream, moves_much_data_at_the_readers_pace) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  constexpr int kParts = 200;
  std::atomic<int> parts = 0;
  std::function<void()> write_part = [&] {
    if (++parts > kParts) return writer->end();
    EXPECT_TRUE(writer->write(std::string(100'000, '#')));
    writer->on_drained(write_part);
  };
  writer->on_drained(write_part);
  std::size_t got = 0;
  for (std::string more = client.read_some(); !more.empty(); more = client.read_some()) {
    got += static_cast<std::size_t>(std::count(more.begin(), more.end(), '#'));
    if (more.ends_with("0\r\n\r\n")) break;
  }
  EXPECT_EQ(got, 100'000u * kParts);
}

TEST(HttpServerStream, takes_chunks_from_many_threads) {
  HttpServer::Options options;
  options.limits.stream_buffer_bytes = 64 << 20;
  OpenStreams streams;
  const auto server = start_server(streams.handler(), options);
  HttpClient client(server->port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  const auto writer = streams.take();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(writer->write("0123456789"));
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer->end();
  const std::string answer = client.read_to_end().value_or("");
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, 20'000u);
}

TEST(HttpServerStream, cuts_off_a_client_for_whom_too_much_waits) {
  HttpServer::Options options;
  options.limits.stream_buffer_bytes = 100'000;
  OpenStreams streams;
  const auto server = start_server(streams.handler(), options);
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  std::atomic<int> closed = 0;
  writer->on_closed(count(closed));
  EXPECT_TRUE(eventually([&] { return !writer->write(std::string(50'000, 'x')); }));
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
  EXPECT_EQ(writer->buffered(), 0u);
  EXPECT_EQ(client.read_to_end(), std::nullopt);  // a reset
}

TEST(HttpServerStream, cuts_off_a_client_that_takes_nothing) {
  HttpServer::Options options;
  options.limits.write_timeout = milliseconds(30);
  OpenStreams streams;
  const auto server = start_server(streams.handler(), options);
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  std::atomic<int> closed = 0;
  writer->on_closed(count(closed));
  EXPECT_TRUE(writer->write(std::string(20'000'000, 'x')));  // the first is taken at any size
  EXPECT_TRUE(eventually([&] { return closed == 1; }));
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
}

TEST(HttpServerStream, does_not_limit_the_time_that_nothing_is_written) {
  HttpServer::Options options;
  options.limits.write_timeout = options.limits.idle_timeout = milliseconds(20);
  OpenStreams streams;
  const auto server = start_server(streams.handler(), options);
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(HttpClient(server->port()).wait_for_close());
  EXPECT_TRUE(writer->write("still here"));
  EXPECT_THAT(read_until(client, "here\r\n"), HasSubstr("a\r\nstill here\r\n"));
}

TEST(HttpServerStream, notices_while_idle_that_the_client_has_gone) {
  enum Way { kReset, kClose, kFinish };
  for (const Way way : {kReset, kClose, kFinish}) {
    OpenStreams streams;
    const auto server = start_server(streams.handler());
    HttpClient client(server->port());
    client.send(kGet);
    const auto writer = streams.take();
    std::atomic<int> closed = 0;
    writer->on_closed(count(closed));
    read_head(client);
    if (way == kReset) client.reset();
    if (way == kClose) client.close();
    if (way == kFinish) client.finish_sending();
    EXPECT_TRUE(eventually([&] { return closed == 1; }));
    EXPECT_FALSE(writer->write("x"));
    writer->on_closed(count(closed));
    EXPECT_EQ(closed, 2);  // at once
    EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
    EXPECT_EQ(server->stats().in_flight, 0u);
  }
}

TEST(HttpServerStream, cuts_the_connection_when_its_writer_is_dropped) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  {
    const auto writer = streams.take();
    writer->write("half a");
  }
  EXPECT_EQ(client.read_to_end(), std::nullopt);
}

TEST(HttpServerStream, survives_a_function_that_throws) {
  const auto server = start_server([](const Request&, const Respond& respond) {
    Response response;
    response.stream = [](const std::shared_ptr<BodyWriter>&) { throw std::runtime_error("no"); };
    respond(std::move(response));
  });
  for (int i = 0; i < 2; ++i) {
    HttpClient client(server->port());
    client.send(kGet);
    EXPECT_TRUE(client.wait_for_close());
  }
}

TEST(HttpServerStream, is_told_of_a_drain_and_waited_for) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  writer->on_draining([&writer] {
    writer->write("bye");
    writer->end();
  });
  EXPECT_TRUE(server->drain(kLong));
  EXPECT_THAT(client.read_to_end(), Optional(EndsWith("3\r\nbye\r\n0\r\n\r\n")));
}

TEST(HttpServerStream, is_cut_at_the_drains_deadline) {
  OpenStreams streams;
  const auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  std::atomic<int> closed = 0;
  writer->on_closed(count(closed));
  EXPECT_FALSE(server->drain(milliseconds(20)));
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(client.wait_for_close());
  EXPECT_FALSE(writer->write("late"));
  writer->end();
}

TEST(HttpServerStream, can_be_written_to_when_the_server_has_gone) {
  OpenStreams streams;
  auto server = start_server(streams.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const auto writer = streams.take();
  writer->on_drained([writer] {});  // a callback that holds its writer
  server.reset();
  EXPECT_FALSE(writer->write("x"));
  writer->on_drained([] {});
}

TEST(HttpServerStream, tells_who_waits_that_the_caller_has_gone) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  for (const bool with_reset : {false, true}) {
    HttpClient client(server->port());
    client.send(kGet);
    const Held request = held.take();
    std::atomic<int> gone = 0;
    request.request.caller.lock()->on_gone(count(gone));
    with_reset ? client.reset() : client.close();
    EXPECT_TRUE(eventually([&] { return gone == 1; }));
    request.request.caller.lock()->on_gone(count(gone));
    EXPECT_EQ(gone, 2);  // at once
    request.respond({200, {}, "too late"});
    EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
  }
}

TEST(HttpServerStream, still_answers_a_caller_that_has_only_finished_sending) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  client.send(kGet);
  const Held request = held.take();
  std::atomic<int> gone = 0;
  request.request.caller.lock()->on_gone(count(gone));
  client.finish_sending();
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  request.respond({200, {}, "there you are"});
  EXPECT_THAT(client.read_to_end(), Optional(EndsWith("there you are")));
}

TEST(HttpServerStream, forgets_who_waited_once_there_is_an_answer) {
  HeldRequests held;
  const auto server = start_server(held.handler());
  HttpClient client(server->port());
  std::atomic<int> gone = 0;
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    {
      const Held request = held.take();
      request.request.caller.lock()->on_gone(count(gone));
      request.respond({200, {}, "x"});
    }
    EXPECT_EQ(client.read_reply().body, "x");
  }
  client.close();
  EXPECT_TRUE(eventually([&] { return server->stats().connections == 0; }));
  EXPECT_EQ(gone, 0);
}

TEST(HttpServerStream, can_be_destroyed_while_streams_are_written) {
  for (int round = 0; round < 5; ++round) {
    HttpServer::Options options;
    options.threads = 2;
    OpenStreams streams;
    auto server = start_server(streams.handler(), options);
    std::vector<HttpClient> clients;
    std::vector<std::shared_ptr<BodyWriter>> writers;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back(server->port()).send(kGet);
      writers.push_back(streams.take());
    }
    std::atomic<bool> stop = false;
    std::thread writing([&] {
      while (!stop) {
        for (const auto& writer : writers) writer->write("some text");
      }
    });
    for (std::size_t i = 0; i < clients.size(); i += 2) clients[i].reset();
    server.reset();
    stop = true;
    writing.join();
  }
}

}  // namespace
}  // namespace oa::net
