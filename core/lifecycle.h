// What an agent should be doing, decided from facts alone. The operator asks here, and nowhere
// else, how many pods an agent is to have.
//
// Thread-safety: pure functions.
#pragma once

namespace oa {

enum class Activity {
  kRunning,    // one pod
  kSuspended,  // no pod, on the user's word (`spec.replicas: 0`)
};

struct LifecycleFacts {
  int spec_replicas = 1;  // 0 or 1
};

struct LifecycleDecision {
  Activity activity = Activity::kRunning;
  int replicas = 1;  // of the StatefulSet; never more than 1, so that an agent never has two pods
};

LifecycleDecision decide_lifecycle(const LifecycleFacts& facts);

}  // namespace oa
