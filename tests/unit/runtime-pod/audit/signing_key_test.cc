#include "runtime-pod/audit/signing_key.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

TEST(SigningKey, is_made_once) {
  const oa::test::TempDir dir;
  const auto made = load_signing_key(dir.path());
  ASSERT_TRUE(made);
  EXPECT_EQ(load_signing_key(dir.path())->public_key(), made->public_key());
}

TEST(SigningKey, is_never_made_in_place_of_one_that_cannot_be_read) {
  const oa::test::TempDir dir;
  std::ofstream(signing_key_path(dir.path())) << "not a key";
  EXPECT_FALSE(load_signing_key(dir.path()));
}

}  // namespace
}  // namespace oa::runtime
