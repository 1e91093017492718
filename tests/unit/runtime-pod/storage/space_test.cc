#include "runtime-pod/storage/space.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(Space, must_be_64_mib_or_5_percent) {
  EXPECT_TRUE(check_space({64 * kMiB, 100 * kMiB}));
  EXPECT_FALSE(check_space({64 * kMiB - 1, 100 * kMiB}));
  EXPECT_TRUE(check_space({500 * kMiB, 10'000 * kMiB}));
  const auto full = check_space({500 * kMiB - 1, 10'000 * kMiB});
  EXPECT_EQ(full.error().code, Code::kLimitExceeded);
  EXPECT_EQ(full.error().reason, "StorageFull");
}

TEST(Space, is_read_from_the_file_system) {
  oa::test::TempDir dir;
  const auto space = read_space(dir.path());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total, 0u);
  EXPECT_LE(space->free, space->total);
  EXPECT_EQ(read_space(dir.file("no")).error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace oa::runtime
