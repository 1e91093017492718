#include "runtime-pod/http/etag.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

TEST(Etag, is_read_back_for_its_own_agent_only) {
  const std::string etag = make_etag(7, 42);
  EXPECT_EQ(etag, "\"7-42\"");
  EXPECT_EQ(*read_condition(7, etag, "")->versions, std::vector<std::int64_t>{42});
  EXPECT_TRUE(read_condition(8, etag, "")->versions->empty());
}

TEST(Etag, reads_lists_and_ignores_what_it_never_made) {
  const auto condition = read_condition(7, R"("7-1" , W/"7-2","x", "7-", "7-3x","7-03","7-4")", "");
  EXPECT_EQ(*condition->versions, (std::vector<std::int64_t>{1, 4}));
}

TEST(Etag, reads_the_conditions_that_name_no_version) {
  EXPECT_TRUE(read_condition(7, " * ", "")->any_version);
  EXPECT_TRUE(read_condition(7, "", "*")->must_be_absent);
  const auto none = read_condition(7, "", "");
  EXPECT_FALSE(none->any_version || none->must_be_absent || none->versions);
  EXPECT_EQ(read_condition(7, "", "\"7-1\"").error().code, Code::kInvalidRequest);
}

}  // namespace
}  // namespace oa::runtime
