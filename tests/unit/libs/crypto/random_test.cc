#include "libs/crypto/random.h"

#include <gtest/gtest.h>

namespace oa::crypto {
namespace {

TEST(RandomBytes, differ_each_time) {
  EXPECT_EQ(random_bytes(0), "");
  EXPECT_EQ(random_bytes(32).size(), 32U);
  EXPECT_NE(random_bytes(32), random_bytes(32));
}

}  // namespace
}  // namespace oa::crypto
