// The operator's decisions: from what was observed to what is to be written. No I/O and no clock:
// golden tests (tests/golden/operator) stop here and need no cluster.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "libs/kube/resource.h"
#include "operator/observed.h"
#include "operator/platform.h"
#include "operator/status.h"

namespace oa::op {

// A whole child object for server-side apply.
struct Apply {
  kube::Resource resource;
  nlohmann::json object;
  bool creates = false;  // there was none
};

struct DeletePod {
  kube::ObjectKey key;
  std::string uid;  // only that very pod
  Note note;
};

struct Plan {
  std::vector<Apply> apply;              // in this order; a failure stops the plan
  std::optional<DeletePod> delete_pod;   // after the applies
  std::optional<nlohmann::json> status;  // the whole status; absent when it would not change
  std::vector<Note> notes;               // events, once the status is written
  std::optional<Duration> requeue_after;
};

Plan plan(const Observed& seen, const Platform& platform, Time now);

}  // namespace oa::op
