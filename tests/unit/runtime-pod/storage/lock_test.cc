#include "runtime-pod/storage/lock.h"

#include <fstream>
#include <optional>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

mode_t mode_of(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(DirectoryLock, keeps_a_second_one_out) {
  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  const auto first = DirectoryLock::acquire(dir.path(), {}, clock, nullptr);
  ASSERT_TRUE(first);
  const auto second = DirectoryLock::acquire(dir.path(), {}, clock, nullptr);
  EXPECT_EQ(second.error().reason, "DataDirectoryLocked");
  EXPECT_NE(second.error().detail.find(dir.path()), std::string::npos);
}

TEST(DirectoryLock, is_had_as_soon_as_the_other_lets_go) {
  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  std::optional<DirectoryLock> first =
      DirectoryLock::acquire(dir.path(), {}, clock, nullptr).value();
  int pauses = 0;
  const auto second =
      DirectoryLock::acquire(dir.path(), seconds(30), clock, [&](milliseconds span) {
        clock.advance(span);
        if (++pauses == 3) first.reset();
        return true;
      });
  EXPECT_TRUE(second);
  EXPECT_EQ(pauses, 3);
}

TEST(DirectoryLock, is_given_up_after_the_wait_or_when_asked_to_stop) {
  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  const auto first = DirectoryLock::acquire(dir.path(), {}, clock, nullptr);
  const Monotonic start = clock.monotonic();
  EXPECT_FALSE(DirectoryLock::acquire(dir.path(), seconds(30), clock, [&](milliseconds span) {
    clock.advance(span);
    return true;
  }));
  EXPECT_GE(clock.monotonic() - start, seconds(30));
  EXPECT_LT(clock.monotonic() - start, seconds(31));
  EXPECT_FALSE(
      DirectoryLock::acquire(dir.path(), seconds(30), clock, [](milliseconds) { return false; }));
}

TEST(DataDirectory, is_made_for_its_owner_only) {
  oa::test::TempDir dir;
  ASSERT_TRUE(make_data_directory(dir.file("a/b")));
  EXPECT_EQ(mode_of(dir.file("a/b")), 0700u);
  ASSERT_TRUE(make_private_file(dir.file("a/b/x")));
  EXPECT_EQ(mode_of(dir.file("a/b/x")), 0600u);
}

TEST(DataDirectory, says_why_it_cannot_be_made) {
  oa::test::TempDir dir;
  std::ofstream(dir.file("file")) << "x";
  const Error error = make_data_directory(dir.file("file/b")).error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_NE(error.detail.find("file/b"), std::string::npos);
}

TEST(FileSystem, is_named_when_it_is_a_network_one) {
  EXPECT_EQ(network_file_system(0x6969), "NFS");
  EXPECT_EQ(network_file_system(0xff534d42), "SMB");
  EXPECT_EQ(network_file_system(0xffffffffff534d42), "SMB");
  EXPECT_EQ(network_file_system(0xef53), "");      // ext4
  EXPECT_EQ(network_file_system(0x01021994), "");  // tmpfs
  oa::test::TempDir dir;
  EXPECT_TRUE(check_local_file_system(dir.path()));
}

}  // namespace
}  // namespace oa::runtime
