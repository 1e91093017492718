#include "operator/options.h"

#include <gtest/gtest.h>

namespace oa::op {
namespace {

ParsedOptions parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "openagents-operator");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(OperatorOptions, work_in_the_whole_cluster_unless_told_otherwise) {
  const auto parsed = parse({});
  ASSERT_TRUE(parsed.options);
  EXPECT_TRUE(parsed.options->namespaces.empty());
  EXPECT_FALSE(parsed.options->leader_elect);
  EXPECT_FALSE(parsed.options->identity.empty());
}

TEST(OperatorOptions, read_every_flag) {
  const auto parsed =
      parse({"--namespaces", "a,b", "--runtime-image=x/y:1", "--fs-group=0", "--leader-elect",
             "--lease-namespace=system", "--identity=me", "--listen=:1", "--workers=3", "--qps=5",
             "--burst=6", "--log-level=debug", "--log-format=text"});
  ASSERT_TRUE(parsed.options);
  EXPECT_EQ(parsed.options->namespaces, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed.options->runtime_image, "x/y:1");
  EXPECT_EQ(parsed.options->fs_group, 0);
  EXPECT_TRUE(parsed.options->leader_elect);
  EXPECT_EQ(parsed.options->lease_namespace, "system");
  EXPECT_EQ(parsed.options->identity, "me");
  EXPECT_EQ(parsed.options->listen, ":1");
  EXPECT_EQ(parsed.options->workers, 3);
  EXPECT_EQ(parsed.options->qps, 5);
  EXPECT_EQ(parsed.options->burst, 6);
  EXPECT_EQ(parsed.options->log_level, obs::Level::kDebug);
  EXPECT_EQ(parsed.options->log_format, obs::LogFormat::kText);
}

TEST(OperatorOptions, that_make_no_sense_end_with_code_2) {
  for (const std::vector<const char*>& arguments : {std::vector<const char*>{"--no-such-flag"},
                                                    {"--namespaces", "Kube_System"},
                                                    {"--workers", "0"},
                                                    {"--qps", "-1"},
                                                    {"--log-level", "loud"},
                                                    {"--leader-elect", "--lease-namespace="},
                                                    {"stray"}}) {
    const auto parsed = parse(arguments);
    EXPECT_FALSE(parsed.options) << arguments.front();
    EXPECT_EQ(parsed.exit_code, 2) << arguments.front();
  }
}

TEST(OperatorOptions, help_and_version_end_with_code_0) {
  EXPECT_EQ(parse({"--help"}).exit_code, 0);
  EXPECT_FALSE(parse({"--version"}).options);
}

}  // namespace
}  // namespace oa::op
