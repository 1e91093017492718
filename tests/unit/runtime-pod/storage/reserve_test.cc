#include "runtime-pod/storage/reserve.h"

#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

constexpr std::int64_t kMiB = 1024 * 1024;

TEST(Reserve, takes_room_until_it_is_given_up) {
  const oa::test::TempDir dir;
  Reserve reserve(dir.path(), kMiB);
  EXPECT_FALSE(reserve.release());
  reserve.make();
  struct stat info {};
  ASSERT_EQ(stat(dir.file("reserve").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, kMiB);
  EXPECT_GE(info.st_blocks * 512, kMiB);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_TRUE(reserve.release());
  EXPECT_FALSE(std::filesystem::exists(dir.file("reserve")));
  EXPECT_FALSE(reserve.release());
}

TEST(Reserve, is_the_one_that_an_earlier_process_made) {
  const oa::test::TempDir dir;
  Reserve(dir.path(), kMiB).make();
  Reserve again(dir.path(), kMiB);
  again.make();
  EXPECT_TRUE(again.release());
}

TEST(Reserve, is_not_made_where_the_disk_would_be_full_afterwards) {
  const oa::test::TempDir dir;
  const auto all = static_cast<std::int64_t>(std::filesystem::space(dir.path()).available);
  Reserve reserve(dir.path(), all);
  reserve.make();
  EXPECT_FALSE(std::filesystem::exists(dir.file("reserve")));
}

TEST(Reserve, is_completed_where_it_is_smaller_than_it_must_be) {
  const oa::test::TempDir dir;
  Reserve(dir.path(), kMiB).make();
  Reserve(dir.path(), 2 * kMiB).make();
  EXPECT_EQ(std::filesystem::file_size(dir.file("reserve")), 2u * kMiB);
}

}  // namespace
}  // namespace oa::runtime
