#include "libs/kube/exec_plugin.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const char* const kV1 = "client.authentication.k8s.io/v1";

std::string output(const json& status, const std::string& api_version = kV1) {
  return json{{"apiVersion", api_version}, {"kind", "ExecCredential"}, {"status", status}}.dump();
}

std::string parse_failure(const std::string& text) {
  const auto credential = parse_exec_credential(text, kV1);
  return credential ? "accepted" : credential.error().detail;
}

TEST(ExecCredential, is_a_token_a_certificate_or_both) {
  const auto token = parse_exec_credential(
      output({{"token", "t"}, {"expirationTimestamp", "2026-11-21T08:00:00Z"}}), kV1);
  ASSERT_TRUE(token) << token.error().detail;
  EXPECT_EQ(token->token, "t");
  EXPECT_EQ(token->expires, *parse_time("2026-11-21T08:00:00Z"));
  EXPECT_FALSE(token->identity);
  const auto both = parse_exec_credential(
      output({{"token", "t"}, {"clientCertificateData", "C"}, {"clientKeyData", "K"}}), kV1);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->identity, (ClientIdentity{"C", "K"}));
  EXPECT_FALSE(both->expires);
}

TEST(ExecCredential, refuses_anything_else) {
  EXPECT_THAT(parse_failure("not json"), HasSubstr("JSON ExecCredential"));
  EXPECT_THAT(parse_failure("{}"), HasSubstr("JSON ExecCredential"));
  EXPECT_THAT(parse_failure(output({{"token", "t"}}, "client.authentication.k8s.io/v1beta1")),
              HasSubstr("but must have client.authentication.k8s.io/v1"));
  EXPECT_THAT(parse_failure(output(nullptr)), HasSubstr("status"));
  EXPECT_THAT(parse_failure(output(json::object())), HasSubstr("a token or a certificate"));
  EXPECT_THAT(parse_failure(output({{"clientCertificateData", "C"}})), HasSubstr("together"));
  EXPECT_THAT(parse_failure(output({{"token", "t"}, {"expirationTimestamp", "soon"}})),
              HasSubstr("expirationTimestamp"));
}

TEST(ExecInfo, tells_the_plugin_about_the_cluster_only_when_asked_to) {
  ExecConfig config{kV1, "x", {}, {}, false, ""};
  const ClusterInfo cluster{"https://a", {"CA", "", "name", true}, "http://p"};
  EXPECT_EQ(
      json::parse(exec_info(config, cluster)),
      json::parse(
          R"({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": false}})"));
  config.provide_cluster_info = true;
  EXPECT_EQ(
      json::parse(exec_info(config, cluster))["spec"]["cluster"],
      json::parse(
          R"({"server": "https://a", "certificate-authority-data": "Q0E=", "tls-server-name": "name",
                            "insecure-skip-tls-verify": true, "proxy-url": "http://p"})"));
}

struct Script {
  explicit Script(const std::string& body) {
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  test::TempDir dir;
  std::string path = dir.file("plugin");
};

TEST(RunPlugin, passes_arguments_and_environment) {
  const Script script("printf '%s|%s|%s' \"$1\" \"$EXTRA\" \"$KUBERNETES_EXEC_INFO\"");
  EXPECT_EQ(*run_plugin({kV1, script.path, {"a b"}, {{"EXTRA", "e"}}, false, ""}, "info", {}),
            "a b|e|info");
}

TEST(RunPlugin, reports_failure_with_the_hint) {
  const auto detail = [](const std::string& command) {
    const auto result = run_plugin({kV1, command, {}, {}, false, "install it"}, "", {});
    return result ? "accepted" : result.error().detail;
  };
  EXPECT_THAT(detail("/absent/plugin"),
              testing::AllOf(HasSubstr("cannot be run"), HasSubstr("install it")));
  const Script script("exit 3");
  EXPECT_THAT(detail(script.path),
              testing::AllOf(HasSubstr("exited with status 3"), HasSubstr("install it")));
}

TEST(RunPlugin, kills_a_plugin_that_is_not_wanted_any_more) {
  const Script script("exec sleep 1000");
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(
      run_plugin({kV1, script.path, {}, {}, false, ""}, "", stop.get_token()).error().detail,
      HasSubstr("cancelled"));
}

TEST(RunPlugin, does_not_read_without_end) {
  const Script script("exec cat /dev/zero");
  EXPECT_THAT(run_plugin({kV1, script.path, {}, {}, false, ""}, "", {}).error().detail,
              HasSubstr("more than 1 MiB"));
}

}  // namespace
}  // namespace oa::kube
