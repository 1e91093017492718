#include "operator/desired/service.h"

#include <gtest/gtest.h>

#include "tests/support/agent_objects.h"
#include "tests/support/golden.h"

namespace oa::op {
namespace {

TEST(ServiceBuilder, makes_the_object_that_is_checked_in) {
  test::expect_golden("operator/service.json", build_service(test::agent_object()).dump(2) + "\n");
}

}  // namespace
}  // namespace oa::op
