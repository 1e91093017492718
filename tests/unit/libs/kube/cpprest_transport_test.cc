#include "libs/kube/cpprest_transport.h"

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/kube/api_error.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

using test::Connection;
using test::RawServer;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kLong = 30s;  // never reached by a test that passes

// Something that one thread waits for and another brings about.
class Signal {
 public:
  void raise() {
    std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [this] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

std::unique_ptr<Transport> transport_to(const std::string& server, const TlsOptions& tls = {},
                                        const std::string& proxy = {}) {
  auto transport = make_cpprest_transport({server, tls, proxy});
  EXPECT_TRUE(transport) << transport.error().detail;
  return std::move(*transport);
}

std::string url(const RawServer& server, const std::string& scheme = "http",
                const std::string& host = "127.0.0.1") {
  return scheme + "://" + host + ":" + std::to_string(server.port());
}

HttpRequest get(const std::string& path = "/x") {
  HttpRequest request;
  request.path = path;
  return request;
}

// Answers every request on a connection with its own text.
void echo(Connection& connection) {
  for (std::string request = connection.read_request(); !request.empty();
       request = connection.read_request()) {
    connection.write(Connection::response(200, request, "X-Test: yes\r\n"));
  }
}

std::string send_error(Transport& transport, Duration timeout = kLong) {
  const auto response = transport.send(get(), timeout, {});
  return response ? "answered " + std::to_string(response->status) : response.error().reason;
}

const std::string kChunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(CpprestTransport, sends_a_request_as_it_is_and_returns_the_answer) {
  RawServer server(echo);
  const auto transport = transport_to(url(server) + "/prefix");
  HttpRequest request;
  request.method = "PATCH";
  request.path = "/api/v1/x";
  request.query = {{"labelSelector", "a=b,c in (d)"}, {"limit", "5"}};
  request.headers = {{"Content-Type", "application/apply-patch+yaml"},
                     {"Authorization", "Bearer t"}};
  request.body = "{\"a\": \"\xC3\xA4\"}";
  const auto response = transport->send(request, kLong, {});
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(header(response->headers, "x-test"), "yes");
  EXPECT_TRUE(response->body.starts_with(
      "PATCH /prefix/api/v1/x?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5 HTTP/1.1\r\n"))
      << response->body;
  EXPECT_THAT(response->body, HasSubstr("Content-Type:application/apply-patch+yaml\r\n"));
  EXPECT_THAT(response->body, HasSubstr("Authorization:Bearer t\r\n"));
  EXPECT_THAT(response->body, HasSubstr("Content-Length:11\r\n"));
  EXPECT_TRUE(response->body.ends_with("\r\n\r\n{\"a\": \"\xC3\xA4\"}"));
}

TEST(CpprestTransport, keeps_and_reuses_connections) {
  RawServer server(echo);
  const auto transport = transport_to(url(server));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(transport->send(get(), kLong, {}));
  EXPECT_EQ(server.connections(), 1);
}

TEST(CpprestTransport, serves_many_threads_at_once) {
  RawServer server(echo);
  const auto transport = transport_to(url(server));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string path = "/" + std::to_string(i) + "/" + std::to_string(j);
        const auto response = transport->send(get(path), kLong, {});
        ASSERT_TRUE(response) << response.error().detail;
        EXPECT_TRUE(response->body.starts_with("GET " + path + " ")) << response->body;
      }
    });
  }
}

TEST(CpprestTransport, opens_a_new_connection_when_the_kept_one_was_closed) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(Connection::response(200, "once"));
  });
  const auto transport = transport_to(url(server));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send_error(*transport), "answered 200");
}

TEST(CpprestTransport, reads_a_chunked_body_of_megabytes) {
  const std::string part(100'000, 'x');
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    for (int i = 0; i < 50; ++i) connection.write(Connection::chunk(part));
    connection.write(Connection::chunk(""));
  });
  const auto response = transport_to(url(server))->send(get(), kLong, {});
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->body.size(), 50 * part.size());
}

TEST(CpprestTransport, reads_bodies_without_a_length_to_the_end_of_the_connection) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
  });
  const auto response = transport_to(url(server))->send(get(), kLong, {});
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->body, "all of it");
}

TEST(CpprestTransport, does_not_follow_redirects) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(Connection::response(302, "", "Location: http://127.0.0.1:1/\r\n"));
  });
  EXPECT_EQ(send_error(*transport_to(url(server))), "answered 302");
}

TEST(CpprestTransport, tells_a_refused_connection_from_a_lost_one) {
  int closed_port = 0;
  {
    RawServer gone(echo);
    closed_port = gone.port();
  }
  EXPECT_EQ(send_error(*transport_to("http://127.0.0.1:" + std::to_string(closed_port))),
            reason::kConnectionRefused);
  RawServer silent([](Connection& connection) { connection.read_request(); });
  EXPECT_EQ(send_error(*transport_to(url(silent))), reason::kConnectionLost);
  RawServer half([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
  });
  EXPECT_EQ(send_error(*transport_to(url(half))), reason::kConnectionLost);
  RawServer nonsense([](Connection& connection) {
    connection.read_request();
    connection.write("SSH-2.0-x\r\n\r\n");
  });
  EXPECT_EQ(send_error(*transport_to(url(nonsense))), reason::kConnectionLost);
}

TEST(CpprestTransport, ends_a_request_that_takes_too_long_in_all) {
  RawServer hang([](Connection& connection) { connection.wait_closed(); });
  EXPECT_EQ(send_error(*transport_to(url(hang)), 20ms), "Timeout");
  // Bytes that keep coming do not start the time anew.
  RawServer drip([](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    while (connection.write(Connection::chunk("x"))) {
    }
  });
  EXPECT_EQ(send_error(*transport_to(url(drip)), 50ms), "Timeout");
}

TEST(CpprestTransport, ends_a_request_at_once_when_stopped) {
  Signal asked;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    asked.raise();
    connection.wait_closed();
  });
  const auto transport = transport_to(url(server));
  std::stop_source stop;
  std::jthread stopper([&] {
    asked.wait();
    stop.request_stop();
  });
  const auto response = transport->send(get(), kLong, stop.get_token());
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().reason, reason::kCancelled);
  EXPECT_EQ(transport->send(get(), kLong, stop.get_token()).error().reason, reason::kCancelled)
      << "stopped before it began";
}

TEST(CpprestStream, hands_on_each_chunk_as_it_comes) {
  Signal seen;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    connection.write(Connection::chunk("one"));
    EXPECT_TRUE(seen.wait());
    connection.write(Connection::chunk("two"));
    connection.write(Connection::chunk(""));
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ((*stream)->status(), 200);
  EXPECT_EQ(*(*stream)->read(kLong), "one");
  seen.raise();
  EXPECT_EQ(*(*stream)->read(kLong), "two");
  EXPECT_EQ(*(*stream)->read(kLong), "");
}

TEST(CpprestStream, hands_on_bytes_that_are_not_chunked_as_they_come) {
  Signal seen;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none");
    EXPECT_TRUE(seen.wait());
    connection.write("two");
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream) << stream.error().detail;
  std::string bytes;
  while (bytes.size() < 3) bytes += *(*stream)->read(kLong);
  EXPECT_EQ(bytes, "one");
  seen.raise();
  for (std::string more = *(*stream)->read(kLong); !more.empty(); more = *(*stream)->read(kLong))
    bytes += more;
  EXPECT_EQ(bytes, "onetwo");
}

TEST(CpprestStream, waits_for_a_head_that_is_withheld_until_the_first_event) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead + Connection::chunk("event"));
    connection.wait_closed();
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(*(*stream)->read(kLong), "event");
}

TEST(CpprestStream, ends_when_nothing_comes_for_too_long) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead + Connection::chunk("event"));
    connection.wait_closed();
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(*(*stream)->read(kLong), "event");
  EXPECT_EQ((*stream)->read(20ms).error().reason, reason::kIdleTimeout);
  RawServer silent([](Connection& connection) { connection.wait_closed(); });
  EXPECT_EQ(transport_to(url(silent))->open(get(), 20ms, {}).error().reason, reason::kIdleTimeout);
}

TEST(CpprestStream, says_when_the_connection_was_cut) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead + Connection::chunk("event") + "5\r\nha");
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(*(*stream)->read(kLong), "event");
  EXPECT_EQ((*stream)->read(kLong).error().reason, reason::kConnectionLost);
}

TEST(CpprestStream, ends_a_pending_read_at_once_when_stopped) {
  Signal closed;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    connection.wait_closed();
    closed.raise();
  });
  const auto transport = transport_to(url(server));
  std::stop_source stop;
  auto stream = transport->open(get(), kLong, stop.get_token());
  ASSERT_TRUE(stream);
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ((*stream)->read(kLong).error().reason, reason::kCancelled);
  EXPECT_TRUE(closed.wait()) << "the connection is closed too";
}

TEST(CpprestStream, closes_its_connection_when_dropped) {
  Signal closed;
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead + Connection::chunk("event"));
    connection.wait_closed();
    closed.raise();
  });
  const auto transport = transport_to(url(server));
  { auto stream = transport->open(get(), kLong, {}); }
  EXPECT_TRUE(closed.wait());
}

TEST(CpprestStream, is_cancelled_when_its_transport_goes) {
  RawServer server([](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead + Connection::chunk("event"));
    connection.wait_closed();
  });
  auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream);
  EXPECT_EQ(*(*stream)->read(kLong), "event");
  transport.reset();
  EXPECT_EQ((*stream)->read(kLong).error().reason, reason::kCancelled);
}

TEST(CpprestStream, does_not_read_ahead_without_end) {
  RawServer server([&](Connection& connection) {
    connection.read_request();
    connection.write(kChunkedHead);
    const std::string chunk = Connection::chunk(std::string(100'000, 'x'));
    for (int i = 0; i < 300; ++i) connection.write(chunk);
    connection.write(Connection::chunk(""));
  });
  const auto transport = transport_to(url(server));
  auto stream = transport->open(get(), kLong, {});
  ASSERT_TRUE(stream);
  std::size_t size = 0;
  for (auto bytes = (*stream)->read(kLong); bytes && !bytes->empty();
       bytes = (*stream)->read(kLong)) {
    EXPECT_LT(bytes->size(), 1'000'000U) << "what is held for a slow reader is bounded";
    size += bytes->size();
  }
  EXPECT_EQ(size, 30'000'000U);
}

struct TlsFixture {
  test::TestCa ca;
  RawServer server{
      echo,
      RawServer::Tls{ca.issue("server", {"DNS:localhost", "IP:127.0.0.1", "DNS:api.example"}), ""}};

  std::string error(const std::string& host, TlsOptions tls) const {
    return send_error(*transport_to(url(server, "https", host), tls));
  }
  TlsOptions trusting() const { return {ca.pem(), "", "", false}; }
};

TEST(CpprestTls, trusts_the_given_ca_for_names_and_addresses) {
  const TlsFixture f;
  EXPECT_EQ(f.error("localhost", f.trusting()), "answered 200");
  EXPECT_EQ(f.error("127.0.0.1", f.trusting()), "answered 200");
}

TEST(CpprestTls, refuses_a_certificate_of_another_ca) {
  const TlsFixture f;
  const test::TestCa other;
  EXPECT_EQ(f.error("localhost", {other.pem(), "", "", false}), reason::kTlsFailure);
  EXPECT_EQ(f.error("localhost", {}), reason::kTlsFailure) << "the system's CAs do not know it";
}

TEST(CpprestTls, refuses_a_certificate_for_another_name) {
  const test::TestCa ca;
  RawServer server(echo, RawServer::Tls{ca.issue("server", {"DNS:elsewhere"}), ""});
  EXPECT_EQ(send_error(*transport_to(url(server, "https", "localhost"), {ca.pem(), "", "", false})),
            reason::kTlsFailure);
  EXPECT_EQ(send_error(*transport_to(url(server, "https"), {ca.pem(), "", "", false})),
            reason::kTlsFailure);
  EXPECT_EQ(send_error(*transport_to(url(server, "https"), {ca.pem(), "", "elsewhere", false})),
            "answered 200");
}

TEST(CpprestTls, expects_the_name_that_it_is_told_to) {
  const TlsFixture f;
  TlsOptions tls = f.trusting();
  tls.server_name = "api.example";
  EXPECT_EQ(f.error("127.0.0.1", tls), "answered 200");
  tls.server_name = "127.0.0.1";
  EXPECT_EQ(f.error("localhost", tls), "answered 200");
  tls.server_name = "other.example";
  EXPECT_EQ(f.error("127.0.0.1", tls), reason::kTlsFailure);
}

TEST(CpprestTls, verifies_nothing_when_told_not_to) {
  const TlsFixture f;
  EXPECT_EQ(f.error("localhost", {"", "", "", true}), "answered 200");
}

TEST(CpprestTls, takes_up_a_ca_that_was_rotated_on_disk) {
  const TlsFixture f;
  const test::TestCa other;
  const test::TempDir dir;
  std::ofstream(dir.file("ca.crt")) << other.pem();
  const auto transport = transport_to(url(f.server, "https"), {"", dir.file("ca.crt"), "", false});
  EXPECT_EQ(send_error(*transport), reason::kTlsFailure);
  std::ofstream(dir.file("ca.crt")) << f.ca.pem();
  EXPECT_EQ(send_error(*transport), "answered 200");
}

TEST(CpprestTls, proves_its_identity_and_takes_up_a_new_one) {
  const test::TestCa ca;
  const test::TestCa clients;
  RawServer server(echo, RawServer::Tls{ca.issue("server", {"IP:127.0.0.1"}), clients.pem()});
  const auto transport = transport_to(url(server, "https"), {ca.pem(), "", "", false});
  const auto send_as = [&](std::shared_ptr<const ClientIdentity> identity) {
    HttpRequest request = get();
    request.identity = std::move(identity);
    const auto response = transport->send(request, kLong, {});
    return response                                      ? "answered"
           : response.error().code == Code::kUnavailable ? "refused"
                                                         : response.error().reason;
  };
  const auto identity = [](const test::Certificate& c) {
    return std::make_shared<const ClientIdentity>(ClientIdentity{c.certificate, c.key});
  };
  EXPECT_EQ(send_as(nullptr), "refused");
  const auto first = identity(clients.issue("one"));
  EXPECT_EQ(send_as(first), "answered");
  const int before = server.connections();
  EXPECT_EQ(send_as(std::make_shared<const ClientIdentity>(*first)), "answered");
  EXPECT_EQ(server.connections(), before) << "the same contents keep the connection";
  EXPECT_EQ(send_as(identity(clients.issue("two"))), "answered");
  EXPECT_EQ(server.connections(), before + 1)
      << "another identity must not travel on the first one's connection";
  EXPECT_EQ(send_as(std::make_shared<const ClientIdentity>(ClientIdentity{"x", "y"})), "refused");
}

TEST(CpprestTls, streams) {
  const test::TestCa ca;
  RawServer server(
      [](Connection& connection) {
        connection.read_request();
        connection.write(kChunkedHead + Connection::chunk("event"));
        connection.wait_closed();
      },
      RawServer::Tls{ca.issue("server", {"IP:127.0.0.1"}), ""});
  std::stop_source stop;
  const auto transport = transport_to(url(server, "https"), {ca.pem(), "", "", false});
  auto stream = transport->open(get(), kLong, stop.get_token());
  ASSERT_TRUE(stream) << stream.error().detail;
  EXPECT_EQ(*(*stream)->read(kLong), "event");
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ((*stream)->read(kLong).error().reason, reason::kCancelled);
}

TEST(CpprestTls, reaches_a_server_by_its_ipv6_address) {
  const int probe = socket(AF_INET6, SOCK_STREAM, 0);
  if (probe < 0) GTEST_SKIP() << "no IPv6 here";
  close(probe);
  const test::TestCa ca;
  RawServer server(echo, RawServer::Tls{ca.issue("server", {"IP:::1"}), ""}, "::1");
  EXPECT_EQ(send_error(*transport_to(url(server, "https", "[::1]"), {ca.pem(), "", "", false})),
            "answered 200");
}

TEST(MakeCpprestTransport, refuses_what_is_no_server) {
  for (const char* server : {"", "localhost:8080", "ftp://x", "http://", "http://a b"}) {
    const auto transport = make_cpprest_transport({server, {}, ""});
    ASSERT_FALSE(transport) << server;
    EXPECT_EQ(transport.error().code, Code::kInvalidRequest) << server;
  }
}

TEST(MakeCpprestTransport, refuses_a_ca_that_is_none) {
  EXPECT_THAT(make_cpprest_transport({"https://a", {"text", "", "", false}, ""}).error().detail,
              HasSubstr("PEM certificates"));
  EXPECT_THAT(make_cpprest_transport({"https://a", {"", "/absent", "", false}, ""}).error().detail,
              HasSubstr("/absent"));
}

// What a proxy is asked when `proxy_user` stands in its URL.
std::string asked_of_proxy(const std::string& proxy_user) {
  const test::TestCa ca;
  std::string connect;
  RawServer proxy([&](Connection& connection) {
    connect = connection.read_request();
    connection.write("HTTP/1.1 503 no\r\n\r\n");
    connection.wait_closed();
  });
  const auto transport =
      transport_to("https://api.example:6443", {ca.pem(), "", "", false},
                   "http://" + proxy_user + "127.0.0.1:" + std::to_string(proxy.port()));
  EXPECT_EQ(send_error(*transport), reason::kConnectionRefused);
  return connect;
}

TEST(CpprestTransport, goes_through_a_proxy) {
  EXPECT_THAT(asked_of_proxy(""), testing::StartsWith("CONNECT api.example:6443 HTTP/1.1\r\n"));
}

// cpprestsdk 2.10.18 leaks the string with the password, once for each connection.
#if !defined(__SANITIZE_ADDRESS__)
TEST(CpprestTransport, tells_a_proxy_who_it_is) {
  EXPECT_THAT(asked_of_proxy("u:p%40@"), HasSubstr("Proxy-Authorization: Basic dTpwQA==\r\n"));
}
#endif

}  // namespace
}  // namespace oa::kube
