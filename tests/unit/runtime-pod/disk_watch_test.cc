#include "runtime-pod/disk_watch.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

TEST(DiskWatch, says_nothing_while_nothing_changes) {
  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  DiskWatch watch(dir.path(), clock, [&](const Result<void>&) { FAIL(); });
  watch.look();
  watch.look();
}

TEST(DiskWatch, believes_a_failed_write_for_a_second) {
  oa::test::TempDir dir;
  oa::test::ManualClock clock;
  std::vector<bool> verdicts;
  DiskWatch watch(dir.path(), clock,
                  [&](const Result<void>& verdict) { verdicts.push_back(verdict.ok()); });
  watch.full(make_error(Code::kLimitExceeded, "StorageFull", "no room"));
  watch.look();
  ASSERT_EQ(verdicts, std::vector<bool>{false});
  clock.advance(std::chrono::seconds(1));
  watch.look();
  EXPECT_EQ(verdicts, (std::vector<bool>{false, true}));
}

}  // namespace
}  // namespace oa::runtime
