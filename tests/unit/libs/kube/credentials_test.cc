#include "libs/kube/credentials.h"

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  test::TempDir dir;
  test::ManualClock clock;
  obs::Logger log{
      "test", {obs::Level::kError, obs::LogFormat::kJson, [](std::string_view) {}}, clock};

  std::unique_ptr<Credentials> make(const AuthConfig& config) {
    auto credentials = make_credentials(config, {}, clock, log);
    EXPECT_TRUE(credentials) << credentials.error().detail;
    return std::move(*credentials);
  }
  std::string path(const std::string& name) const { return dir.file(name); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
  }
};

std::string header_of(Credentials& credentials) {
  const auto current = credentials.current({});
  return current ? current->authorization : "error: " + current.error().detail;
}

TEST(Credentials, come_from_the_configuration) {
  Fixture f;
  EXPECT_EQ(header_of(*f.make({})), "");
  AuthConfig token;
  token.token = "t";
  EXPECT_EQ(header_of(*f.make(token)), "Bearer t");
  AuthConfig basic;
  basic.username = "user";
  basic.password = "pass";
  EXPECT_EQ(header_of(*f.make(basic)), "Basic dXNlcjpwYXNz");
}

TEST(Credentials, read_a_token_file_again_after_a_minute) {
  Fixture f;
  f.write("token", "one\n");
  AuthConfig config;
  config.token_file = f.path("token");
  const auto credentials = f.make(config);
  EXPECT_EQ(header_of(*credentials), "Bearer one");
  f.write("token", "two");
  f.clock.advance(59s);
  EXPECT_EQ(header_of(*credentials), "Bearer one");
  f.clock.advance(1s);
  EXPECT_EQ(header_of(*credentials), "Bearer two");
}

TEST(Credentials, keep_the_token_while_its_file_is_missing) {
  Fixture f;
  f.write("token", "one");
  AuthConfig config;
  config.token_file = f.path("token");
  const auto credentials = f.make(config);
  std::filesystem::remove(f.path("token"));
  f.clock.advance(2min);
  EXPECT_EQ(header_of(*credentials), "Bearer one");
  f.write("token", "two");
  f.clock.advance(1min);
  EXPECT_EQ(header_of(*credentials), "Bearer two");
}

TEST(Credentials, read_the_token_at_once_after_a_rejection) {
  Fixture f;
  f.write("token", "one");
  AuthConfig config;
  config.token_file = f.path("token");
  const auto credentials = f.make(config);
  const Credential used = *credentials->current({});
  f.write("token", "two");
  credentials->reject(used);
  EXPECT_EQ(header_of(*credentials), "Bearer two");
  f.write("token", "three");
  credentials->reject(used);
  EXPECT_EQ(header_of(*credentials), "Bearer two")
      << "the rejection was of a token that is not in use any more";
}

TEST(Credentials, have_nothing_when_the_token_was_rejected_and_its_file_is_gone) {
  Fixture f;
  f.write("token", "one");
  AuthConfig config;
  config.token_file = f.path("token");
  const auto credentials = f.make(config);
  std::filesystem::remove(f.path("token"));
  credentials->reject(*credentials->current({}));
  EXPECT_EQ(credentials->current({}).error().code, Code::kUnauthenticated);
  f.write("token", "two");
  f.clock.advance(1min);
  EXPECT_EQ(header_of(*credentials), "Bearer two");
}

TEST(Credentials, take_up_a_client_certificate_that_was_renewed_on_disk) {
  Fixture f;
  f.write("crt", "CERT1");
  f.write("key", "KEY1");
  AuthConfig config;
  config.client_certificate_file = f.path("crt");
  config.client_key_file = f.path("key");
  const auto credentials = f.make(config);
  const auto first = credentials->current({})->identity;
  EXPECT_EQ(*first, (ClientIdentity{"CERT1", "KEY1"}));
  f.clock.advance(2min);
  EXPECT_EQ(credentials->current({})->identity, first)
      << "unchanged contents are the same identity";
  f.write("crt", "CERT2");
  f.write("key", "KEY2");
  f.clock.advance(1min);
  EXPECT_EQ(*credentials->current({})->identity, (ClientIdentity{"CERT2", "KEY2"}));
}

TEST(Credentials, refuse_certificate_files_that_cannot_be_read) {
  Fixture f;
  AuthConfig config;
  config.client_certificate_file = f.path("absent");
  config.client_key_file = f.path("absent");
  const auto credentials = make_credentials(config, {}, f.clock, f.log);
  ASSERT_FALSE(credentials);
  EXPECT_EQ(credentials.error().code, Code::kInvalidRequest);
}

// A plugin that counts how often it ran and prints a token with that number.
AuthConfig counting_plugin(const Fixture& f, const std::string& status) {
  f.write("plugin", "#!/bin/sh\necho run >> " + f.path("runs") + "\nn=$(wc -l < " + f.path("runs") +
                        ")\necho '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": "
                        "\"ExecCredential\", \"status\": " +
                        status + "}'\n");
  AuthConfig config;
  config.exec = ExecConfig{"client.authentication.k8s.io/v1", f.path("plugin"), {}, {}, false, ""};
  return config;
}

TEST(Credentials, keep_what_a_plugin_printed_until_it_expires) {
  Fixture f;
  // The manual clock begins at 2027-01-15T08:00:00Z.
  const auto credentials = f.make(counting_plugin(
      f, "{\"token\": \"t'\"$n\"'\", \"expirationTimestamp\": \"2027-01-15T09:00:00Z\"}"));
  EXPECT_EQ(header_of(*credentials), "Bearer t1");
  f.clock.advance(59min);
  EXPECT_EQ(header_of(*credentials), "Bearer t1");
  f.clock.advance(50s);
  EXPECT_EQ(header_of(*credentials), "Bearer t2") << "ten seconds ahead";
}

TEST(Credentials, run_a_plugin_once_more_after_a_rejection) {
  Fixture f;
  const auto credentials = f.make(counting_plugin(f, "{\"token\": \"t'\"$n\"'\"}"));
  const Credential first = *credentials->current({});
  f.clock.advance(24h);
  EXPECT_EQ(header_of(*credentials), "Bearer t1") << "it never expires by itself";
  credentials->reject(first);
  EXPECT_EQ(header_of(*credentials), "Bearer t2");
  credentials->reject(first);
  EXPECT_EQ(header_of(*credentials), "Bearer t2");
}

TEST(Credentials, run_a_plugin_once_for_all_who_wait) {
  Fixture f;
  const auto credentials = f.make(counting_plugin(f, "{\"token\": \"t'\"$n\"'\"}"));
  std::vector<std::jthread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&] { EXPECT_EQ(header_of(*credentials), "Bearer t1"); });
}

TEST(Credentials, prefer_an_explicit_token_over_a_plugin) {
  Fixture f;
  AuthConfig config = counting_plugin(f, "{}");
  config.token = "explicit";
  EXPECT_EQ(header_of(*f.make(config)), "Bearer explicit");
}

}  // namespace
}  // namespace oa::kube
