#include "libs/obs/build_info.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::obs {
namespace {

TEST(BuildInfo, names_a_version_a_commit_and_a_build_type) {
  EXPECT_THAT(kBuildInfo.version, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_STRNE(kBuildInfo.commit, "");
  EXPECT_STRNE(kBuildInfo.build_type, "");
}

TEST(BuildInfo, is_one_line_for_people) {
  EXPECT_EQ(version_line("agent-runtime"), std::string("agent-runtime ") + kBuildInfo.version +
                                               " (commit " + kBuildInfo.commit + ", " +
                                               kBuildInfo.build_type + ")");
}

}  // namespace
}  // namespace oa::obs
