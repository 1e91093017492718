#include "runtime-pod/agent/gates.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using Reason = InputGate::Reason;

Error unavailable(std::string reason) {
  return make_error(Code::kUnavailable, std::move(reason), "not now");
}

TEST(InputGate, stays_shut_while_any_reason_holds) {
  InputGate gate(100, nullptr);
  EXPECT_TRUE(gate.check());
  gate.close(Reason::kStarting, unavailable("Starting"));
  gate.close(Reason::kDraining, unavailable("Draining"));
  EXPECT_EQ(gate.check().error().reason, "Draining");
  gate.open(Reason::kDraining);
  EXPECT_EQ(gate.admit(1).error().reason, "Starting");
  gate.open(Reason::kStarting);
  EXPECT_TRUE(gate.admit(1));
}

TEST(InputGate, bounds_the_bytes_that_wait) {
  InputGate gate(100, nullptr);
  {
    const auto first = gate.admit(60);
    ASSERT_TRUE(first);
    EXPECT_EQ(gate.admit(60).error().code, Code::kRateLimited);
    EXPECT_TRUE(gate.admit(40));
  }
  EXPECT_TRUE(gate.admit(60));
}

TEST(InputGate, lets_one_large_item_through_when_nothing_waits) {
  InputGate gate(100, nullptr);
  EXPECT_TRUE(gate.admit(1000));
}

TEST(InputGate, looks_at_the_disk_again_when_somebody_is_refused_for_it) {
  InputGate* opened = nullptr;
  int looks = 0;
  InputGate gate(100, [&] {
    if (++looks == 2) opened->open(Reason::kStorageFull);
  });
  opened = &gate;
  EXPECT_TRUE(gate.check());
  EXPECT_EQ(looks, 0);
  gate.close(Reason::kStorageFull, make_error(Code::kLimitExceeded, "StorageFull", "full"));
  EXPECT_EQ(gate.check().error().reason, "StorageFull");
  EXPECT_TRUE(gate.check());
  EXPECT_EQ(looks, 2);
}

}  // namespace
}  // namespace oa::runtime
