// Everything that one reconcile looks at, gathered (operator/observe.h) before anything is decided.
//
// Thread-safety: plain values.
#pragma once

#include <optional>
#include <string>

#include "libs/kube/object.h"

namespace oa::op {

// A write that the API server refused, as the reason and message of a condition.
struct Failure {
  std::string reason;  // QuotaExceeded, ApplyRefused
  std::string message;
};

struct Observed {
  kube::Object agent;
  // Children by their names, whoever owns them.
  std::optional<kube::Object> statefulset;
  std::optional<kube::Object> service;
  std::optional<kube::Object> claim;
  std::optional<kube::Object> pod;
  // Why the StatefulSet's pod could not be created, in the API server's words.
  std::optional<std::string> pod_refusal;
  // What went wrong when the last plan was executed.
  std::optional<Failure> failure;
};

}  // namespace oa::op
