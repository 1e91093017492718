#include "runtime-pod/config.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using std::chrono::seconds;
using Variables = std::map<std::string, std::string>;

Given given(std::map<std::string, std::vector<std::string>, std::less<>> flags, Variables variables,
            Json file = Json::object()) {
  return {std::move(flags),
          [variables](const std::string& name) -> std::optional<std::string> {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
          },
          std::move(file)};
}

const Variables kPod = {{"AGENT_NAMESPACE", "default"}, {"AGENT_NAME", "my-agent"}};

TEST(Config, takes_flags_over_environment_over_file_over_defaults) {
  struct Row {
    const char* flag;
    const char* variable;
    const char* file;
    const char* wanted;
  };
  const Row rows[] = {
      {"1.1.1.1:1", "2.2.2.2:2", "3.3.3.3:3", "1.1.1.1:1"},
      {nullptr, "2.2.2.2:2", "3.3.3.3:3", "2.2.2.2:2"},
      {nullptr, nullptr, "3.3.3.3:3", "3.3.3.3:3"},
      {nullptr, "", "3.3.3.3:3", "3.3.3.3:3"},
      {nullptr, nullptr, nullptr, "127.0.0.1:8080"},
  };
  for (const Row& row : rows) {
    Given all = given({}, {});
    if (row.flag != nullptr) all.flags["listen"] = {row.flag};
    if (row.variable != nullptr) all = given(all.flags, {{"AGENT_LISTEN", row.variable}});
    if (row.file != nullptr) all.file = {{"listen", row.file}};
    EXPECT_EQ(make_config(Mode::kDaemon, all).value().listen, row.wanted);
  }
}

TEST(Config, has_the_defaults_of_the_daemon) {
  const Config config = make_config(Mode::kDaemon, given({}, {{"HOME", "/home/ada"}})).value();
  EXPECT_EQ(config.admin_listen, "127.0.0.1:9464");
  EXPECT_EQ(config.data_dir, "/home/ada/.local/share/openagents");
  EXPECT_EQ(config.run_timeout, seconds(60));
  EXPECT_EQ(config.lock_wait, seconds(0));
  EXPECT_EQ(config.connections, 1024u);
  EXPECT_EQ(config.log_format, obs::LogFormat::kJson);
  EXPECT_FALSE(config.allow_network_file_system);
  EXPECT_EQ(make_config(Mode::kDaemon, given({}, {{"HOME", "/h"}, {"XDG_DATA_HOME", "/x"}}))
                .value()
                .data_dir,
            "/x/openagents");
}

TEST(Config, has_the_defaults_of_a_pod) {
  const Config config = make_config(Mode::kPod, given({}, kPod)).value();
  EXPECT_EQ(config.listen, ":8080");
  EXPECT_EQ(config.admin_listen, ":9464");
  EXPECT_EQ(config.data_dir, "/var/lib/openagents");
  EXPECT_EQ(config.lock_wait, seconds(30));
  EXPECT_EQ(config.agent, (AgentId{"default", "my-agent"}));
}

TEST(Config, reads_every_kind_of_value) {
  const Json file = {{"agent", {"a.yaml", "b.yaml"}},
                     {"connections", 7},
                     {"bodyBytes", "1Ki"},
                     {"runTimeout", "5s"},
                     {"allowNetworkFileSystem", true},
                     {"logLevel", "debug"}};
  const Config config =
      make_config(Mode::kDaemon, given({}, {{"AGENT_ALLOW_HOST", "a.example,b.example"}}, file))
          .value();
  EXPECT_EQ(config.agents, (std::vector<std::string>{"a.yaml", "b.yaml"}));
  EXPECT_EQ(config.allowed_hosts, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(config.connections, 7u);
  EXPECT_EQ(config.body_bytes, 1024u);
  EXPECT_EQ(config.run_timeout, seconds(5));
  EXPECT_TRUE(config.allow_network_file_system);
  EXPECT_EQ(config.log_level, obs::Level::kDebug);
}

TEST(Config, names_the_place_and_the_value_of_what_is_wrong) {
  struct Row {
    Given given;
    const char* message;
  };
  const Row rows[] = {
      {given({{"run-timeout", {"7"}}}, {}), "--run-timeout is \"7\" but must be a duration"},
      {given({}, {{"AGENT_QUEUE_BYTES", "many"}}),
       "AGENT_QUEUE_BYTES is \"many\" but must be a size"},
      {given({}, {}, {{"workers", 0}}), "workers is \"0\" but must be a number between 1 and 256"},
      {given({{"workers", {"2x"}}}, {}), "--workers is \"2x\""},
      {given({}, {}, {{"bogus", 1}}), "bogus must not be set: there is no such option"},
      {given({}, {}, Json::array()), "the config file must be a map"},
      {given({{"log-level", {"loud"}}}, {}), "--log-level is \"loud\""},
      {given({}, {{"AGENT_ALLOW_NETWORK_FILE_SYSTEM", "yes"}}), "must be true or false"},
  };
  for (const Row& row : rows) {
    const auto config = make_config(Mode::kDaemon, row.given);
    ASSERT_FALSE(config) << row.message;
    EXPECT_EQ(config.error().code, Code::kInvalidRequest);
    EXPECT_NE(config.error().detail.find(row.message), std::string::npos) << config.error().detail;
  }
}

TEST(Config, tells_all_that_is_wrong_at_once) {
  const auto config =
      make_config(Mode::kDaemon, given({{"workers", {"x"}}, {"io-threads", {"y"}}}, {}));
  EXPECT_NE(config.error().detail.find("--workers"), std::string::npos);
  EXPECT_NE(config.error().detail.find("--io-threads"), std::string::npos);
}

TEST(Config, needs_to_know_whose_pod_it_is) {
  const auto config = make_config(Mode::kPod, given({}, {{"AGENT_NAME", "Bad_Name"}}));
  EXPECT_NE(config.error().detail.find("AGENT_NAMESPACE and AGENT_NAME"), std::string::npos);
}

TEST(Config, derives_every_spelling_of_an_option_from_its_name) {
  for (const Option& option : options()) {
    if (option.name != "admin-listen") continue;
    EXPECT_EQ(environment_name(option), "AGENT_ADMIN_LISTEN");
    EXPECT_EQ(file_key(option), "adminListen");
    return;
  }
  FAIL();
}

}  // namespace
}  // namespace oa::runtime
