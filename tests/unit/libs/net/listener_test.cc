#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/listener_impl.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/libs/net/server_fixture.h"

namespace oa::net {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

bool has_ipv6() {
  const Result<Listener> listener = Listener::open("[::1]:0");
  return listener.ok();
}

TEST(Listener, tells_the_port_it_got) {
  const Result<Listener> listener = Listener::open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok());
  EXPECT_GT(listener->port(), 0);
}

TEST(Listener, takes_names) { EXPECT_TRUE(Listener::open("localhost:0").ok()); }

TEST(Listener, refuses_addresses_that_do_not_parse) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "host:port"},
      {"8080", "host:port"},
      {"127.0.0.1", "host:port"},
      {"127.0.0.1:", "port from 0 to 65535"},
      {"127.0.0.1:http", "port from 0 to 65535"},
      {"127.0.0.1:-1", "port from 0 to 65535"},
      {"127.0.0.1:65536", "port from 0 to 65535"},
      {"127.0.0.1:80 ", "port from 0 to 65535"},
      {"::1:80", "between [ and ]"},
      {"[::1:80", "between [ and ]"},
      {"[]:80", "between [ and ]"},
      {"[localhost]:80", "between [ and ]"},
      {"no such host:80", "resolve"},
      {"unix:", "1 to 107 bytes"},
      {"unix:" + std::string(108, 'x'), "1 to 107 bytes"},
  };
  for (const auto& [address, must] : cases) {
    const Result<Listener> listener = Listener::open(address);
    ASSERT_FALSE(listener.ok()) << address;
    EXPECT_EQ(listener.error().code, Code::kInvalidRequest) << address;
    EXPECT_THAT(listener.error().detail, HasSubstr("\"" + address + "\"")) << address;
    EXPECT_THAT(listener.error().detail, HasSubstr(must)) << address;
  }
}

TEST(Listener, says_when_an_address_is_in_use) {
  const Result<Listener> first = Listener::open("127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  const Result<Listener> second = Listener::open("127.0.0.1:" + std::to_string(first->port()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_THAT(second.error().detail, HasSubstr("in use"));
}

TEST(Listener, can_take_the_port_of_one_that_has_just_gone) {
  auto first = start_server(echo);
  const int port = first->port();
  test::HttpClient client(port);
  EXPECT_EQ(client.request("GET", "/").status, 200);
  first.reset();
  EXPECT_TRUE(Listener::open("127.0.0.1:" + std::to_string(port)).ok());
}

TEST(Listener, on_all_addresses_takes_ipv4_and_names_its_peers_so) {
  std::string peer;
  HttpServer::Options options;
  options.listen = ":0";
  const auto server = start_server(
      [&](const Request& request, const Respond& respond) {
        respond({200, {}, request.peer});
      },
      options);
  EXPECT_THAT(test::HttpClient(server->port()).request("GET", "/").body,
              MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
}

TEST(Listener, takes_ipv6) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6";
  const Result<Listener> listener = Listener::open("[::1]:0");
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(static_cast<std::uint16_t>(listener->port()));
  const int client = ::socket(AF_INET6, SOCK_STREAM, 0);
  ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const Accepted accepted = accept_from(listener->fd());
  EXPECT_GE(accepted.fd, 0);
  EXPECT_THAT(accepted.peer, MatchesRegex("\\[::1\\]:[0-9]+"));
  ::close(accepted.fd);
  ::close(client);
}

class UnixSocket : public testing::Test {
 protected:
  std::unique_ptr<HttpServer> start() {
    HttpServer::Options options;
    options.listen = "unix:" + path_;
    return start_server(
        [](const Request& request, const Respond& respond) {
          respond({200, {}, request.peer});
        },
        options);
  }

  test::TempDir dir_;
  const std::string path_ = dir_.file("s");
};

TEST_F(UnixSocket, serves_and_removes_its_file_at_the_end) {
  auto server = start();
  EXPECT_EQ(server->port(), 0);
  test::HttpClient client(path_);
  EXPECT_EQ(client.request("GET", "/").body, "unix");
  server.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocket, removes_its_file_when_it_drains) {
  const auto server = start();
  EXPECT_TRUE(server->drain(std::chrono::seconds(20)));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocket, is_for_its_owner_only) {
  const auto server = start();
  struct stat file {};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(UnixSocket, takes_the_place_of_one_that_a_dead_process_left) {
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  const auto server = start();
  EXPECT_EQ(test::HttpClient(path_).request("GET", "/").status, 200);
}

TEST_F(UnixSocket, leaves_a_living_one_alone) {
  const auto server = start();
  const Result<Listener> second = Listener::open("unix:" + path_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_THAT(second.error().detail, HasSubstr("another process listens there"));
  EXPECT_EQ(test::HttpClient(path_).request("GET", "/").status, 200);
}

TEST_F(UnixSocket, leaves_other_files_alone) {
  std::ofstream(path_) << "precious";
  const Result<Listener> listener = Listener::open("unix:" + path_);
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().code, Code::kUnavailable);
  EXPECT_THAT(listener.error().detail, HasSubstr("is not a socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixSocket, does_not_remove_a_file_that_took_its_place) {
  auto server = start();
  std::filesystem::remove(path_);
  std::ofstream(path_) << "another";
  server.reset();
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixSocket, says_when_its_folder_is_missing) {
  const Result<Listener> listener = Listener::open("unix:" + path_ + "/no/folder");
  ASSERT_FALSE(listener.ok());
  EXPECT_EQ(listener.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace oa::net
