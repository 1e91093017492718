#include "runtime-pod/ids.h"

#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "libs/net/message.h"

namespace oa::runtime {
namespace {

const Time kNow = Time(std::chrono::milliseconds(1'800'000'000'123));

TEST(Ids, are_version_7_uuids_that_sort_by_time) {
  Ids ids(1);
  const std::string id = ids.uuid(kNow);
  EXPECT_TRUE(std::regex_match(
      id, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")))
      << id;
  EXPECT_LT(id, ids.uuid(kNow + std::chrono::milliseconds(1)));
}

TEST(Ids, are_never_given_twice) {
  Ids ids;
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(seen.insert(ids.uuid(kNow)).second);
}

TEST(Ids, make_trace_ids_that_others_accept) {
  Ids ids(1);
  const std::string id = ids.trace_id();
  EXPECT_EQ(net::trace_id_of("00-" + id + "-00f067aa0ba902b7-01"), id);
}

TEST(Ids, draw_numbers_between_zero_and_one) {
  Ids ids(1);
  for (int i = 0; i < 1000; ++i) {
    const double number = ids.unit();
    EXPECT_GE(number, 0);
    EXPECT_LT(number, 1);
  }
}

}  // namespace
}  // namespace oa::runtime
