#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/http_client.h"
#include "tests/support/raw_server.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_pki.h"
#include "tests/unit/libs/net/client_fixture.h"

namespace oa::net {
namespace {

using test::Connection;
using test::RawServer;
using test::TestCa;
using ::testing::HasSubstr;

void answer_all(Connection& connection) {
  std::string request = connection.read_request();
  while (!request.empty()) {
    connection.write(Connection::response(200, request.substr(request.find("\r\n\r\n") + 4)));
    request = connection.read_request();
  }
}

class HttpClientTls : public ::testing::Test {
 protected:
  std::unique_ptr<HttpClient> client_that_trusts(const TestCa& ca) {
    const std::string file = dir_.file("ca.pem");
    std::ofstream(file) << ca.pem();
    HttpClient::Options options;
    options.ca_file = file;
    return start_client(options);
  }

  static std::string url_of(const std::string& host, const RawServer& server) {
    return "https://" + host + ":" + std::to_string(server.port()) + "/";
  }

  const test::TempDir dir_;
  const TestCa ca_;
};

TEST_F(HttpClientTls, talks_to_a_server_with_a_good_certificate) {
  RawServer server(answer_all,
                   RawServer::Tls{ca_.issue("a", {"DNS:localhost", "IP:127.0.0.1"}), ""});
  const auto client = client_that_trusts(ca_);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    ClientRequest request = request_to(url_of(host, server), "POST");
    request.body.assign(1'000'000, 'x');
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(ask(*client, request).response().body == request.body);
    }
  }
  EXPECT_EQ(server.connections(), 2) << "one per name, used again";
}

TEST_F(HttpClientTls, takes_the_end_of_a_connection_for_the_end_of_an_answer_if_it_was_said) {
  RawServer server(
      [](Connection& connection) {
        connection.read_request();
        connection.write("HTTP/1.1 200 OK\r\n\r\nabc");
      },
      RawServer::Tls{ca_.issue("a", {"IP:127.0.0.1"}), ""});
  const auto client = client_that_trusts(ca_);
  EXPECT_EQ(ask(*client, request_to(url_of("127.0.0.1", server))).response().body, "abc");
}

TEST_F(HttpClientTls, refuses_certificates_for_another_host) {
  RawServer server(answer_all, RawServer::Tls{ca_.issue("localhost", {"DNS:other.example"}), ""});
  const auto client = client_that_trusts(ca_);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const ClientResult result = ask(*client, request_to(url_of(host, server), "POST")).get();
    ASSERT_FALSE(result.response.ok()) << host;
    EXPECT_EQ(result.response.error().reason, "TlsFailed");
    EXPECT_THAT(result.response.error().detail, HasSubstr("mismatch"));
    EXPECT_FALSE(result.sent);
  }
}

TEST_F(HttpClientTls, refuses_certificates_of_unknown_authorities) {
  RawServer server(answer_all, RawServer::Tls{ca_.issue("a", {"IP:127.0.0.1"}), ""});
  const TestCa other("another CA");
  EXPECT_EQ(ask(*client_that_trusts(other), request_to(url_of("127.0.0.1", server))).failure(),
            "UNAVAILABLE TlsFailed unsent");
  EXPECT_EQ(ask(*start_client(), request_to(url_of("127.0.0.1", server))).failure(),
            "UNAVAILABLE TlsFailed unsent")
      << "the system's authorities";
}

TEST_F(HttpClientTls, fails_against_a_server_without_tls) {
  RawServer server([](Connection& connection) {
    connection.read();
    connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  EXPECT_EQ(ask(*client_that_trusts(ca_), request_to(url_of("127.0.0.1", server))).failure(),
            "UNAVAILABLE TlsFailed unsent");
}

TEST_F(HttpClientTls, is_refused_a_ca_file_that_holds_none) {
  const std::string file = dir_.file("none.pem");
  std::ofstream(file) << "nothing";
  for (const std::string& name : {file, dir_.file("missing.pem")}) {
    HttpClient::Options options;
    options.ca_file = name;
    const auto client = HttpClient::start(options);
    ASSERT_FALSE(client.ok());
    EXPECT_EQ(client.error().code, Code::kInvalidRequest);
    EXPECT_THAT(client.error().detail, HasSubstr(name));
  }
}

}  // namespace
}  // namespace oa::net
