#include "operator/observe.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "core/text.h"

namespace oa::op {
namespace {

kube::Object event(const char* note, Json times) {
  times["note"] = note;
  return kube::Object(std::move(times));
}

TEST(NewestRefusal, is_the_latest_event_that_is_not_older_than_the_trouble) {
  const Time since = parse_time("2026-11-21T08:00:00Z").value();
  const std::vector<kube::Object> events{
      event("old", {{"eventTime", "2026-11-21T07:59:59.000000Z"}}),
      event("first", {{"eventTime", nullptr}, {"deprecatedLastTimestamp", "2026-11-21T08:00:01Z"}}),
      event("repeated", {{"eventTime", "2026-11-21T07:00:00.000000Z"},
                         {"series", {{"lastObservedTime", "2026-11-21T08:00:09.000000Z"}}}}),
      event("second", {{"eventTime", "2026-11-21T08:00:05.000000Z"}}),
      event("timeless", Json::object())};
  EXPECT_EQ(newest_refusal(events, since), "repeated");
  EXPECT_EQ(newest_refusal(events, since + std::chrono::hours(1)), std::nullopt);
  EXPECT_EQ(newest_refusal({}, since), std::nullopt);
}

}  // namespace
}  // namespace oa::op
