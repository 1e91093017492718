// Looks: the caches, and the gathering of what one reconcile decides by.
//
// Thread-safety: as the arguments.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"
#include "libs/kube/client.h"
#include "libs/kube/object.h"
#include "libs/kube/store.h"
#include "operator/observed.h"

namespace oa::op {

// The caches, one per kind. All but the agents' hold only objects with the agent label.
struct Stores {
  kube::Store agents;
  kube::Store statefulsets;
  kube::Store services;
  kube::Store claims;
  kube::Store pods;

  Stores();
  bool ready() const;
};

// Reads the caches, and the API server only for what they cannot tell: whether an object without
// our label has taken a child's name, and why a pod is missing. Nothing when the agent is gone.
Result<std::optional<Observed>> observe(const Stores& stores, const kube::Client& client,
                                        const kube::ObjectKey& key);

// The note of the newest of these FailedCreate events (events.k8s.io/v1) that is not
// older than `since`: older ones tell of a trouble that has passed. Pure.
std::optional<std::string> newest_refusal(const std::vector<kube::Object>& events, Time since);

}  // namespace oa::op
