#include "core/lifecycle.h"

namespace oa {

LifecycleDecision decide_lifecycle(const LifecycleFacts& facts) {
  if (facts.spec_replicas == 0) return {Activity::kSuspended, 0};
  return {Activity::kRunning, 1};
}

}  // namespace oa
