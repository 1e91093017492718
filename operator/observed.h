// Everything that one reconcile looks at, gathered (operator/observe.h) before anything is decided.
//
// Thread-safety: plain values.
#pragma once

#include <optional>
#include <string>

#include "libs/kube/object.h"

namespace oa::op {

// A reason (one word, for programs) and a message (a sentence, for people). Messages hold nothing
// that changes from look to look, so that an unchanged agent has an unchanged status.
struct Finding {
  std::string reason;
  std::string message;

  bool operator==(const Finding&) const = default;
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
  std::optional<Finding> failure;
};

}  // namespace oa::op
