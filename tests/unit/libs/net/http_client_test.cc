#include "libs/net/http_client.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/obs/build_info.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/libs/net/client_fixture.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using test::Connection;
using test::RawServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Answers every request of every connection with these bytes.
RawServer::Handler always(std::string bytes) {
  return [bytes = std::move(bytes)](Connection& connection) {
    while (!connection.read_request().empty()) connection.write(bytes);
  };
}

// One request, these bytes, and the end.
RawServer::Handler once(std::string bytes) {
  return [bytes = std::move(bytes)](Connection& connection) {
    connection.read_request();
    connection.write(bytes);
  };
}

TEST(HttpClient, sends_what_it_is_given_and_frames_it) {
  std::string seen;
  RawServer server([&](Connection& connection) {
    seen = connection.read_request();
    connection.write(Connection::response(201, "done", "X-A: b\r\n"));
    connection.wait_closed();
  });
  ClientRequest request = request_to(local_url(server.port(), "/a%20b?c=d"), "POST");
  request.headers.add("Content-Type", "text/plain");
  request.body = "hello";
  {
    const auto client = start_client();
    const ClientResponse response = ask(*client, request).response();
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.headers.get("x-a"), "b");
    EXPECT_EQ(response.body, "done");
  }
  EXPECT_EQ(seen, "POST /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                      "\r\nUser-Agent: openagents/" + obs::kBuildInfo.version +
                      "\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

TEST(HttpClient, leaves_host_and_user_agent_to_the_caller_who_sets_them) {
  RawServer server([](Connection& connection) {
    connection.write(Connection::response(200, connection.read_request()));
  });
  ClientRequest request = request_to(local_url(server.port()));
  request.headers = {{"host", "other.example"}, {"user-agent", "mine"}};
  const auto client = start_client();
  EXPECT_EQ(ask(*client, request).response().body,
            "GET / HTTP/1.1\r\nhost: other.example\r\nuser-agent: mine\r\n\r\n");
}

TEST(HttpClient, refuses_requests_that_would_break_the_wire) {
  RawServer server(always(Connection::response(200, "")));
  const ClientRequest good = request_to(local_url(server.port()));
  const auto client = start_client();
  const auto refused = [&](auto change) {
    ClientRequest request = good;
    change(request);
    return ask(*client, request).failure();
  };
  const std::vector<Headers::Field> fields{
      {"", "a"},
      {"a b", "c"},
      {"a:", "c"},
      {"a\r\nb", "c"},
      {"a", "b\r\nc: d"},
      {"a", "b\nc"},
      {"a", "b\rc"},
      {"a", std::string("b\0c", 3)},
      {"a", "b\x1f"},
      {"\xc3\xa4", "b"},
      {"Content-Length", "5"},
      {"transfer-encoding", "chunked"},
      {"Connection", "close"},
      {"Upgrade", "websocket"},
      {"Expect", "100-continue"},
      {"TE", "trailers"},
  };
  for (const Headers::Field& field : fields) {
    EXPECT_EQ(refused([&](ClientRequest& r) { r.headers.add(field.first, field.second); }),
              "INVALID_REQUEST  unsent")
        << field.first;
  }
  const auto with_method = [&](const std::string& method) {
    return refused([&](ClientRequest& r) { r.method = method; });
  };
  EXPECT_EQ(with_method(""), "INVALID_REQUEST  unsent");
  EXPECT_EQ(with_method("GET /x"), "INVALID_REQUEST  unsent");
  EXPECT_EQ(with_method("GET\r\n"), "INVALID_REQUEST  unsent");
  EXPECT_EQ(with_method("CONNECT"), "INVALID_REQUEST  unsent");
  EXPECT_EQ(refused([](ClientRequest& r) { r.url.target = "/ HTTP/1.1\r\nX: y"; }),
            "INVALID_REQUEST  unsent");
  EXPECT_EQ(refused([](ClientRequest& r) { r.url.host = "a\r\nb"; }), "INVALID_REQUEST  unsent");
  EXPECT_EQ(refused([](ClientRequest& r) { r.timeout = {}; }), "INVALID_REQUEST  unsent");
  EXPECT_EQ(refused([](ClientRequest& r) {
              r.headers = {{"Host", "a"}, {"host", "b"}};
            }),
            "INVALID_REQUEST  unsent");
  EXPECT_EQ(server.connections(), 0);
  EXPECT_EQ(refused([](ClientRequest& r) { r.headers.add("a", "tab\tand \xc3\xa4"); }),
            "status 200");
}

TEST(HttpClient, talks_to_the_projects_own_server) {
  const auto server = start_server(echo);
  const auto client = start_client();
  for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
    ClientRequest request = request_to(local_url(server->port(), "/x"), method);
    request.body = "b";
    EXPECT_EQ(ask(*client, request).response().body, std::string(method) + " /x b");
  }
  EXPECT_EQ(ask(*client, request_to(local_url(server->port()), "HEAD")).response().body, "");
  EXPECT_EQ(server->stats().connections, 1);
}

TEST(HttpClient, sends_and_takes_large_bodies) {
  const auto server = start_server([](const Request& request, const Respond& respond) {
    respond({200, {}, request.body});
  });
  const auto client = start_client();
  ClientRequest request = request_to(local_url(server->port()), "POST");
  for (int i = 0; request.body.size() < 8'000'000; ++i) request.body += std::to_string(i) + ",";
  EXPECT_TRUE(ask(*client, request).response().body == request.body);
  EXPECT_TRUE(ask(*client, request).response().body == request.body);
}

TEST(HttpClient, takes_an_answer_that_comes_before_its_request_has_been_read) {
  RawServer server([](Connection& connection) {
    connection.write(Connection::response(413, "too much"));
    // Nothing is read before the client has gone: its request does not fit into any buffer.
    while (connection.write("x")) std::this_thread::yield();
  });
  const auto client = start_client();
  ClientRequest request = request_to(local_url(server.port()), "POST");
  request.body.assign(64 * 1024 * 1024, 'x');
  EXPECT_EQ(ask(*client, request).response().status, 413);
}

TEST(HttpClient, uses_a_connection_again) {
  RawServer server(always(Connection::response(200, "a")));
  const auto client = start_client();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get(*client, server.port()).response().body, "a");
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, uses_no_connection_again_that_was_not_left_clean) {
  for (const std::string& answer : {Connection::response(200, "a", "Connection: close\r\n"),
                                    std::string("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"),
                                    Connection::response(200, "a") + "HTTP/1.1 200 OK\r\n"}) {
    RawServer server(always(answer));
    const auto client = start_client();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(get(*client, server.port()).response().body, "a");
    EXPECT_EQ(server.connections(), 3) << answer;
  }
}

TEST(HttpClient, replaces_a_kept_connection_that_has_died) {
  RawServer server(once(Connection::response(200, "a")));
  const auto client = start_client();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get(*client, server.port()).response().body, "a");
  EXPECT_EQ(server.connections(), 20);
}

// Answers the first request of a connection and breaks off at the second.
void answer_one_of_two(Connection& connection) {
  connection.read_request();
  connection.write(Connection::response(200, "a"));
  connection.read_request();
}

TEST(HttpClient, repeats_only_idempotent_requests_that_a_kept_connection_may_have_delivered) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}) {
    RawServer server(answer_one_of_two);
    const auto client = start_client();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ask(*client, request_to(local_url(server.port()), method)).response().status, 200);
    }
    EXPECT_EQ(server.connections(), 3) << method;
  }
  for (const char* method : {"POST", "PATCH", "TRACE"}) {
    RawServer server(answer_one_of_two);
    const auto client = start_client();
    const ClientRequest request = request_to(local_url(server.port()), method);
    EXPECT_EQ(ask(*client, request).response().status, 200);
    EXPECT_EQ(ask(*client, request).failure(), "UNAVAILABLE ConnectionLost sent");
    EXPECT_EQ(server.connections(), 1) << method;
  }
}

TEST(HttpClient, repeats_nothing_on_a_fresh_connection) {
  RawServer server([](Connection& connection) { connection.read_request(); });
  const auto client = start_client();
  EXPECT_EQ(get(*client, server.port()).failure(), "UNAVAILABLE ConnectionLost sent");
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, reads_every_framing) {
  const std::string chunked =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
      Connection::chunk("ab") + Connection::chunk("c") + "0\r\nTrailer: x\r\n\r\n";
  for (const std::string& answer : {chunked, std::string("HTTP/1.1 200 OK\r\n\r\nabc"),
                                    std::string("HTTP/1.0 200 OK\r\n\r\nabc")}) {
    RawServer server([&](Connection& connection) {
      connection.read_request();
      for (const char c : answer) connection.write({&c, 1});
    });
    const auto client = start_client();
    EXPECT_EQ(get(*client, server.port()).response().body, "abc") << answer;
  }
}

TEST(HttpClient, tells_what_is_wrong_with_an_answer) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "UNAVAILABLE ConnectionLost sent"},
      {"HTTP/1.1 200", "UNAVAILABLE ConnectionLost sent"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "UNAVAILABLE ConnectionLost sent"},
      {chunked + "5\r\nhell", "UNAVAILABLE ConnectionLost sent"},
      {chunked + "0\r\n", "UNAVAILABLE ConnectionLost sent"},
      {"SMTP ready\r\n", "RUNTIME_ERROR MalformedAnswer sent"},
      {chunked + "zz\r\n", "RUNTIME_ERROR MalformedAnswer sent"},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x'), "LIMIT_EXCEEDED AnswerTooLarge sent"},
      {Connection::response(200, std::string(101, 'x')), "LIMIT_EXCEEDED AnswerTooLarge sent"},
      {chunked + Connection::chunk(std::string(101, 'x')), "LIMIT_EXCEEDED AnswerTooLarge sent"},
      {"HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x'), "LIMIT_EXCEEDED AnswerTooLarge sent"},
  };
  const auto client = start_client();
  for (const auto& [answer, failure] : cases) {
    RawServer server(once(answer));
    ClientRequest request = request_to(local_url(server.port()));
    request.max_body_bytes = 100;
    EXPECT_EQ(ask(*client, request).failure(), failure) << answer.substr(0, 100);
  }
}

TEST(HttpClient, tells_where_it_could_not_connect) {
  const auto client = start_client();
  int port = 0;
  {
    port = RawServer([](Connection&) {}).port();
  }
  EXPECT_EQ(get(*client, port).failure(), "UNAVAILABLE ConnectFailed unsent");
  EXPECT_EQ(ask(*client, request_to("http+unix://%2Fno%2Fsuch.sock/")).failure(),
            "UNAVAILABLE ConnectFailed unsent");
  // Too long for a label: refused without asking the network.
  EXPECT_EQ(ask(*client, request_to("http://" + std::string(64, 'a') + ".invalid/")).failure(),
            "UNAVAILABLE NameNotFound unsent");
}

TEST(HttpClient, reaches_unix_sockets_ipv6_and_names) {
  const test::TempDir dir;
  HttpServer::Options options;
  options.listen = "unix:" + dir.file("s");
  const auto server = start_server(echo, options);
  std::string path;
  for (const char c : dir.file("s")) path += c == '/' ? "%2F" : std::string(1, c);
  const auto client = start_client();
  EXPECT_EQ(ask(*client, request_to("http+unix://" + path + "/x?y")).response().body, "GET /x?y ");

  RawServer v6(always(Connection::response(200, "six")), std::nullopt, "::1");
  EXPECT_EQ(
      ask(*client, request_to("http://[::1]:" + std::to_string(v6.port()) + "/")).response().body,
      "six");
  // Either may be the first address of the name: the other one is tried.
  RawServer v4(always(Connection::response(200, "four")));
  EXPECT_EQ(ask(*client, request_to("http://localhost:" + std::to_string(v4.port()) + "/"))
                .response()
                .body,
            "four");
}

TEST(HttpClient, asks_before_it_connects_to_an_address) {
  RawServer server(always(Connection::response(200, "a")));
  std::vector<std::string> asked;
  HttpClient::Options options;
  options.may_connect = [&](const std::string& address) {
    asked.push_back(address);
    return address == "::1";
  };
  const auto client = start_client(options);
  const std::string port = std::to_string(server.port());
  EXPECT_EQ(get(*client, server.port()).failure(), "UNAUTHORIZED AddressRefused unsent");
  EXPECT_EQ(ask(*client, request_to("http://[::ffff:127.0.0.1]:" + port + "/")).failure(),
            "UNAUTHORIZED AddressRefused unsent");
  EXPECT_EQ(ask(*client, request_to("http+unix://%2Ftmp%2Fs/")).failure(),
            "UNAUTHORIZED AddressRefused unsent");
  EXPECT_THAT(asked, ElementsAre("127.0.0.1", "127.0.0.1", "unix:/tmp/s"));
  // "2130706433" is another spelling of 127.0.0.1 to the resolver.
  EXPECT_EQ(ask(*client, request_to("http://2130706433:" + port + "/")).failure(),
            "UNAUTHORIZED AddressRefused unsent");
  EXPECT_EQ(server.connections(), 0);
}

TEST(HttpClient, needs_no_thread_before_the_first_request) {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto before = threads();
  const auto client = start_client();
  EXPECT_EQ(threads(), before);
}

TEST(HttpClient, closes_connections_that_are_not_used) {
  std::atomic<bool> closed = false;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(Connection::response(200, "a"));
    connection.wait_closed();
    closed = true;
  });
  HttpClient::Options options;
  options.idle_timeout = std::chrono::milliseconds(10);
  const auto client = start_client(options);
  EXPECT_EQ(get(*client, server.port()).response().body, "a");
  EXPECT_TRUE(test::eventually([&] { return closed.load(); }));
}

TEST(HttpClient, is_refused_limits_that_allow_nothing) {
  HttpClient::Options options;
  options.max_connections_per_host = 0;
  EXPECT_EQ(HttpClient::start(options).error().code, Code::kInvalidRequest);
}

}  // namespace
}  // namespace oa::net
