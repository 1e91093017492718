#include "core/lifecycle.h"

#include <gtest/gtest.h>

namespace oa {
namespace {

TEST(Lifecycle, runs_one_pod_unless_the_user_suspended_the_agent) {
  EXPECT_EQ(decide_lifecycle({.spec_replicas = 1}).replicas, 1);
  EXPECT_EQ(decide_lifecycle({.spec_replicas = 1}).activity, Activity::kRunning);
  EXPECT_EQ(decide_lifecycle({.spec_replicas = 0}).replicas, 0);
  EXPECT_EQ(decide_lifecycle({.spec_replicas = 0}).activity, Activity::kSuspended);
}

}  // namespace
}  // namespace oa
