// The status of an agent from what was observed: conditions, phase, and what changed since the
// status was last written.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/agent.h"
#include "core/clock.h"
#include "core/lifecycle.h"
#include "operator/observed.h"

namespace oa::op {

struct Facts {
  const Observed& seen;
  const Result<AgentSpec>& spec;
  LifecycleDecision lifecycle{};
  std::string revision{};                // wanted; empty when the spec is invalid
  std::optional<Finding> conflict{};     // a child's name is taken
  std::optional<Finding> predecessor{};  // a deleted agent of this name has not gone completely
};

// What keeps the agent's pod from being useful and will not pass by waiting: ImagePull, CrashLoop,
// OutOfMemory, WrongAgent, DatabaseTooNew, DataDirectoryLocked, QuotaExceeded, PodRefused. Nothing
// for a healthy or starting pod.
std::optional<Finding> find_trouble(const Observed& seen);

// What the API server's words of refusing `what` ("the pod") come to: QuotaExceeded, or
// `otherwise`.
Finding refusal_finding(const std::string& what, const std::string& words, const char* otherwise);

bool pod_ready(const std::optional<kube::Object>& pod);

// The revision that the pod was made from; empty if it carries none.
std::string pod_revision(const kube::Object& pod);

// The whole `status`. A condition's lastTransitionTime is kept from the agent's present status
// while its value stays.
nlohmann::json build_status(const Facts& facts, Time now);

// What users should be told: the conditions that `status` changes, as events.
struct Note {
  bool warning = false;
  Finding finding;

  bool operator==(const Note&) const = default;
};
std::vector<Note> notes_of_change(const kube::Object& agent, const nlohmann::json& status);

}  // namespace oa::op
