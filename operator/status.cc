#include "operator/status.h"

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/wire.h"
#include "operator/desired/names.h"

namespace oa::op {
namespace {

using nlohmann::json;

constexpr const char* kTrue = "True";
constexpr const char* kFalse = "False";

struct Verdict {
  bool holds;
  Finding finding;
};

// The status of one container; null while kubelet has not reported one.
const json* container_status(const kube::Object& pod, const char* container) {
  const json* all = pod.at("/status/containerStatuses");
  if (!all || !all->is_array()) return nullptr;
  for (const json& status : *all) {
    if (status.value("name", "") == container) return &status;
  }
  return nullptr;
}

std::string text_at(const json& value, const char* pointer) {
  const json::json_pointer at(pointer);
  return value.contains(at) && value.at(at).is_string() ? value.at(at).get<std::string>() : "";
}

// How a container last ended: its present state if it is down, else the one before the restart.
const json* last_end(const json& status) {
  for (const char* pointer : {"/state/terminated", "/lastState/terminated"}) {
    const json::json_pointer at(pointer);
    if (status.contains(at)) return &status.at(at);
  }
  return nullptr;
}

Finding crash_finding(const kube::Object& pod, const json& end) {
  const std::string see = "; kubectl logs " + std::string(pod.name()) + " --previous shows why";
  const int code = end.value("exitCode", 0);
  if (code == 4)
    return {"WrongAgent",
            "the disk holds the database of another agent, and must be that of this one"};
  if (code == 3 && end.value("message", "").find("DatabaseTooNew") != std::string::npos) {
    return {"DatabaseTooNew",
            "the database was written by a newer runtime; spec.image must be at least as new"};
  }
  if (code == 3) return {"DataDirectoryLocked", "another process holds the data directory" + see};
  if (end.value("reason", "") == "OOMKilled") {
    return {"OutOfMemory",
            "the runtime needed more memory than spec.resources.limits.memory allows"};
  }
  return {"CrashLoop", "the runtime ended with exit code " + std::to_string(code) + see};
}

Finding handler_finding(const kube::Object& pod, const json& end) {
  if (end.value("reason", "") == "OOMKilled") {
    return {"HandlerOutOfMemory",
            "the handler needed more memory than spec.handler.container.resources.limits.memory "
            "allows"};
  }
  return {"HandlerCrashLoop", "the handler ended with exit code " +
                                  std::to_string(end.value("exitCode", 0)) + "; kubectl logs " +
                                  std::string(pod.name()) + " -c handler --previous shows why"};
}

std::optional<Finding> container_trouble(const kube::Object& pod, const json* status,
                                         Finding (*crash)(const kube::Object&, const json&)) {
  if (!status || status->value("ready", false)) return std::nullopt;
  const std::string waiting = text_at(*status, "/state/waiting/reason");
  if (waiting == "ErrImagePull" || waiting == "ImagePullBackOff" || waiting == "InvalidImageName" ||
      waiting == "ErrImageNeverPull") {
    return Finding{"ImagePull", "the node cannot get the image \"" + status->value("image", "") +
                                    "\"; kubectl describe pod " + std::string(pod.name()) +
                                    " shows why"};
  }
  if (waiting == "CreateContainerConfigError" || waiting == "CreateContainerError" ||
      waiting == "RunContainerError") {
    return Finding{"ContainerRefused", shorten(text_at(*status, "/state/waiting/message"), 512)};
  }
  const json* end = last_end(*status);
  if (end && end->value("exitCode", 0) != 0) return crash(pod, *end);
  return std::nullopt;
}

std::optional<Finding> pod_trouble(const kube::Object& pod) {
  if (auto found = container_trouble(pod, container_status(pod, "agent"), crash_finding)) {
    return found;
  }
  return container_trouble(pod, container_status(pod, "handler"), handler_finding);
}

std::optional<Finding> unschedulable(const Observed& seen) {
  if (!seen.pod) return std::nullopt;
  const auto scheduled = seen.pod->condition("PodScheduled");
  if (!scheduled || scheduled->status != kFalse || scheduled->reason != "Unschedulable")
    return std::nullopt;
  return Finding{"Unschedulable", shorten(scheduled->message, 512)};
}

// What stands in the way for good, in the order in which a person would want to hear it.
std::optional<Finding> find_blocker(const Facts& facts) {
  if (!facts.spec) return Finding{"InvalidSpec", facts.spec.error().detail};
  if (facts.conflict) return facts.conflict;
  if (facts.seen.failure) return facts.seen.failure;
  if (facts.lifecycle.activity == Activity::kSuspended || facts.predecessor) return std::nullopt;
  return find_trouble(facts.seen);
}

Finding waiting_finding(const Facts& facts) {
  const Observed& seen = facts.seen;
  if (facts.predecessor) return *facts.predecessor;
  if (auto nowhere = unschedulable(seen)) return *nowhere;
  if (!seen.pod) return {"PodPending", "the pod is being created"};
  if (seen.pod->deleting())
    return {"PodStopping", "the pod is finishing its work before it is replaced"};
  return {"PodStarting", "the pod is starting"};
}

Verdict ready(const Facts& facts, const std::optional<Finding>& blocker) {
  if (!facts.spec || facts.conflict) return {false, *blocker};
  if (facts.lifecycle.activity == Activity::kSuspended) {
    if (facts.seen.pod)
      return {false, {"Suspending", "spec.replicas is 0; the pod is finishing its work"}};
    return {false,
            {"Suspended", "spec.replicas is 0; kubectl scale agent " +
                              std::string(facts.seen.agent.name()) + " --replicas=1 resumes it"}};
  }
  if (pod_ready(facts.seen.pod) && !facts.predecessor)
    return {true, {"PodReady", "the agent answers"}};
  return {false, blocker ? *blocker : waiting_finding(facts)};
}

Verdict storage_ready(const Observed& seen) {
  if (!seen.claim) return {false, {"ClaimMissing", "the claim for the disk does not exist yet"}};
  const std::string name(seen.claim->name());
  if (seen.claim->deleting())
    return {false, {"ClaimTerminating", "the claim " + name + " is being deleted"}};
  if (seen.claim->text("/status/phase") == "Bound") return {true, {"Bound", "the disk is there"}};
  return {false, {"ClaimPending", "the claim " + name + " waits for its disk"}};
}

Verdict progressing(const Facts& facts, const std::optional<Finding>& blocker) {
  const Observed& seen = facts.seen;
  if (facts.predecessor) return {true, *facts.predecessor};
  if (seen.pod && !facts.revision.empty() && facts.lifecycle.replicas == 1 &&
      pod_revision(*seen.pod) != facts.revision) {
    return {
        true,
        {"Replacing", "a pod of revision " + facts.revision + " replaces that of an older one"}};
  }
  if (blocker) return {false, {"Blocked", "the condition Degraded says why"}};
  if (facts.lifecycle.replicas == 0) {
    if (seen.pod) return {true, {"Suspending", "the pod is finishing its work"}};
    return {false, {"Complete", "nothing is left to do"}};
  }
  if (!pod_ready(seen.pod)) return {true, waiting_finding(facts)};
  return {false, {"Complete", "nothing is left to do"}};
}

const char* phase(const Facts& facts, bool is_ready, bool is_degraded) {
  if (facts.seen.agent.deleting()) return "Terminating";
  if (is_ready) return "Running";
  if (is_degraded) return "Failed";
  if (facts.lifecycle.activity == Activity::kSuspended && !facts.seen.pod) return "Suspended";
  return "Pending";
}

class Conditions {
 public:
  Conditions(const kube::Object& agent, Time now) : agent_(agent), now_(now) {}

  void add(const char* type, const Verdict& verdict) {
    const char* status = verdict.holds ? kTrue : kFalse;
    const auto before = agent_.condition(type);
    const bool kept = before && before->status == status && before->last_transition;
    list_.push_back(
        {{"type", type},
         {"status", status},
         {"reason", verdict.finding.reason},
         {"message", verdict.finding.message},
         {"observedGeneration", agent_.generation()},
         {"lastTransitionTime", format_time_seconds(kept ? *before->last_transition : now_)}});
  }
  json take() { return std::move(list_); }

 private:
  const kube::Object& agent_;
  const Time now_;
  json list_ = json::array();
};

std::optional<json> find_condition(const json& status, const std::string& type) {
  for (const json& condition : status.value("conditions", json::array())) {
    if (condition.at("type") == type) return condition;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Finding> find_trouble(const Observed& seen) {
  if (seen.pod) return seen.pod->deleting() ? std::nullopt : pod_trouble(*seen.pod);
  if (seen.pod_refusal) return refusal_finding("the pod", *seen.pod_refusal, "PodRefused");
  return std::nullopt;
}

Finding refusal_finding(const std::string& what, const std::string& words, const char* otherwise) {
  const bool quota = words.find("exceeded quota") != std::string::npos;
  return {quota ? "QuotaExceeded" : otherwise,
          "the API server refuses " + what + ": " + shorten(words, 512)};
}

bool pod_ready(const std::optional<kube::Object>& pod) {
  if (!pod || pod->deleting()) return false;
  const auto condition = pod->condition("Ready");
  return condition && condition->status == kTrue;
}

std::string pod_revision(const kube::Object& pod) {
  return std::string(pod.annotation(wire::kAnnotationRevision).value_or(""));
}

json build_status(const Facts& facts, Time now) {
  const kube::Object& agent = facts.seen.agent;
  const std::string name(agent.name());
  const auto blocker = find_blocker(facts);
  const Verdict is_ready = ready(facts, blocker);
  Conditions conditions(agent, now);
  conditions.add("Ready", is_ready);
  conditions.add("StorageReady", storage_ready(facts.seen));
  conditions.add("Progressing", progressing(facts, blocker));
  conditions.add("Degraded", {blocker.has_value(),
                              blocker.value_or(Finding{"AsExpected", "nothing needs a person"})});
  json status = {{"observedGeneration", agent.generation()},
                 {"phase", phase(facts, is_ready.holds, blocker.has_value())},
                 {"replicas", facts.seen.pod ? 1 : 0},
                 {"selector", selector_text(name)},
                 {"conditions", conditions.take()},
                 {"url", agent_url({std::string(agent.ns()), name})}};
  if (facts.seen.claim) {
    const std::string_view capacity = facts.seen.claim->text("/status/capacity/storage");
    if (!capacity.empty()) status["storage"]["capacity"] = std::string(capacity);
  }
  return status;
}

std::vector<Note> notes_of_change(const kube::Object& agent, const json& status) {
  std::vector<Note> notes;
  const auto changed = [&](const char* type) -> std::optional<json> {
    auto now = find_condition(status, type);
    const auto before = agent.condition(type);
    if (!now ||
        (before && before->status == now->at("status") && before->reason == now->at("reason"))) {
      return std::nullopt;
    }
    return now;
  };
  const auto finding = [](const json& condition) {
    return Finding{condition.at("reason").get<std::string>(),
                   condition.at("message").get<std::string>()};
  };
  if (const auto degraded = changed("Degraded"); degraded && degraded->at("status") == kTrue) {
    notes.push_back({true, finding(*degraded)});
  }
  if (const auto now_ready = changed("Ready")) {
    if (now_ready->at("status") == kTrue) {
      notes.push_back(
          {false, {"Ready", "the agent answers at " + status.at("url").get<std::string>()}});
    } else if (now_ready->at("reason") == "Suspended") {
      notes.push_back({false, finding(*now_ready)});
    } else if (now_ready->at("reason") == "Unschedulable") {
      notes.push_back({true, finding(*now_ready)});
    }
  }
  return notes;
}

}  // namespace oa::op
