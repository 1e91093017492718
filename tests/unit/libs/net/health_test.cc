#include "libs/net/health.h"

#include <atomic>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/http_client.h"

namespace oa::net {
namespace {

using test::HttpClient;
using test::HttpReply;

std::unique_ptr<HttpServer> start(HealthChecks checks, const obs::Metrics& metrics) {
  auto server = start_health_server("127.0.0.1:0", std::move(checks), metrics);
  if (!server) {
    ADD_FAILURE() << to_string(server.error());
    std::abort();
  }
  return *std::move(server);
}

TEST(Health, follows_what_the_checks_say) {
  std::atomic<bool> well{true};
  const auto check = [&well]() -> Result<void> {
    if (well) return {};
    return make_error(Code::kUnavailable, "Draining", "the runtime is draining");
  };
  obs::Metrics metrics;
  const auto server = start({check, check}, metrics);
  HttpClient client(server->port());
  for (const std::string path : {"/healthz", "/readyz", "/readyz?verbose"}) {
    EXPECT_EQ(client.request("GET", path).body, "ok\n") << path;
  }
  well = false;
  for (const std::string path : {"/healthz", "/readyz"}) {
    const HttpReply reply = client.request("GET", path);
    EXPECT_EQ(reply.status, 503) << path;
    EXPECT_THAT(reply.body, testing::HasSubstr("the runtime is draining")) << path;
  }
}

TEST(Health, that_is_bad_is_503_whatever_the_error) {
  const auto check = []() -> Result<void> {
    return make_error(Code::kNotFound, "StorageFull", "no room");
  };
  obs::Metrics metrics;
  const auto server = start({check, check}, metrics);
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/healthz").status, 503);
  EXPECT_EQ(client.request("GET", "/readyz").status, 507);
}

TEST(Health, is_well_where_nothing_is_checked) {
  obs::Metrics metrics;
  const auto server = start({}, metrics);
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);
  EXPECT_EQ(client.request("HEAD", "/readyz").status, 200);
}

TEST(Health, shows_the_metrics) {
  obs::Metrics metrics;
  metrics.gauge("openagents_sockets", "Open sockets.").set(3);
  const auto server = start({}, metrics);
  const HttpReply reply = HttpClient(server->port()).request("GET", "/metrics");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(reply.body, testing::HasSubstr("openagents_sockets 3\n"));
}

TEST(Health, refuses_the_rest) {
  obs::Metrics metrics;
  const auto server = start({}, metrics);
  HttpClient client(server->port());
  EXPECT_EQ(client.request("GET", "/").status, 404);
  EXPECT_EQ(client.request("GET", "/healthz/x").status, 404);
  const HttpReply reply = client.request("POST", "/healthz");
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("allow"), "GET, HEAD");
}

TEST(Health, says_when_it_cannot_listen) {
  obs::Metrics metrics;
  EXPECT_EQ(start_health_server("nonsense", {}, metrics).error().code, Code::kInvalidRequest);
}

}  // namespace
}  // namespace oa::net
