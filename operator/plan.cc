#include "operator/plan.h"

#include "core/wire.h"
#include "libs/kube/apply_match.h"
#include "operator/desired/names.h"
#include "operator/desired/service.h"
#include "operator/desired/statefulset.h"

namespace oa::op {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// No watch tells when an object that is not ours goes away, or when a quota has room again.
constexpr Duration kLookAgain = 15s;

// The garbage collector will remove it: its owner was an Agent of this name that is gone.
bool left_by_predecessor(const kube::Object& child, const kube::Object& agent) {
  const auto controller = child.controller();
  return controller && controller->kind == wire::kKind && controller->name == agent.name() &&
         controller->uid != agent.uid();
}

bool belongs_to(const kube::Object& child, const kube::Object& owner) {
  const auto controller = child.controller();
  return controller && controller->uid == owner.uid();
}

// A child of the same name that is not this agent's is left alone, whoever made it. A disk that an
// earlier agent of the same name left behind is no conflict: it carries our label and is taken
// over.
std::optional<Finding> find_conflict(const Observed& seen) {
  const auto taken = [&](const kube::Object& child, const char* kind) {
    return Finding{
        "NameConflict",
        std::string("the ") + kind + " " + std::string(child.name()) +
            " exists and does not belong to this agent; it must be removed, or the agent "
            "renamed"};
  };
  const auto foreign = [&](const std::optional<kube::Object>& child) {
    return child && !belongs_to(*child, seen.agent) && !left_by_predecessor(*child, seen.agent);
  };
  if (foreign(seen.statefulset)) return taken(*seen.statefulset, "StatefulSet");
  if (foreign(seen.service)) return taken(*seen.service, "Service");
  if (seen.claim && agent_of(*seen.claim) != seen.agent.key())
    return taken(*seen.claim, "PersistentVolumeClaim");
  return std::nullopt;
}

std::optional<Finding> find_predecessor(const Observed& seen) {
  for (const auto* child : {&seen.statefulset, &seen.service}) {
    if (*child && left_by_predecessor(**child, seen.agent)) {
      return Finding{"PredecessorTerminating",
                     "the children of a deleted agent of the same name are being removed"};
    }
  }
  return std::nullopt;
}

void want(Plan& plan, const kube::Resource& resource, json desired,
          const std::optional<kube::Object>& live) {
  desired = kube::with_applied_hash(std::move(desired));
  if (live && kube::already_applied(desired, live->json())) return;
  plan.apply.push_back({resource, std::move(desired), !live});
}

// With updateStrategy OnDelete the StatefulSet waits for somebody to delete a pod of an older
// revision: here. This also frees a pod that never became ready from its broken template. Only once
// the controller has seen the new template, or it would make the old pod again.
std::optional<DeletePod> replace_pod(const Observed& seen, const std::string& revision) {
  if (!seen.pod || !seen.statefulset || seen.pod->deleting()) return std::nullopt;
  if (!belongs_to(*seen.pod, *seen.statefulset) || pod_revision(*seen.pod) == revision)
    return std::nullopt;
  const json::json_pointer annotation = json::json_pointer("/spec/template/metadata/annotations") /
                                        std::string(wire::kAnnotationRevision);
  const json& live = seen.statefulset->json();
  const bool offered = live.contains(annotation) && live.at(annotation) == revision;
  const bool noticed = seen.statefulset->integer("/status/observedGeneration").value_or(0) >=
                       seen.statefulset->generation();
  if (!offered || !noticed) return std::nullopt;
  return DeletePod{
      seen.pod->key(),
      std::string(seen.pod->uid()),
      {false,
       {"Replacing", "deleted pod " + std::string(seen.pod->name()) + " of revision " +
                         pod_revision(*seen.pod) + " in favour of revision " + revision}}};
}

void write_status(Plan& plan, const Facts& facts, Time now) {
  json status = build_status(facts, now);
  const json* before = facts.seen.agent.at("/status");
  if (before && *before == status) return;
  plan.notes = notes_of_change(facts.seen.agent, status);
  plan.status = std::move(status);
}

}  // namespace

Plan plan(const Observed& seen, const Platform& platform, Time now) {
  Plan out;
  const json* spec_json = seen.agent.at("/spec");
  const Result<AgentSpec> spec =
      parse_spec(spec_json ? *spec_json : json::object(), schema::Unknown::kIgnore);
  Facts facts{.seen = seen, .spec = spec};
  if (seen.agent.deleting()) {
    // The garbage collector removes the children; applying them again would only delay it.
    write_status(out, facts, now);
    return out;
  }
  if (spec) {
    facts.lifecycle = decide_lifecycle({.spec_replicas = spec->replicas});
    facts.revision = revision_of(*spec);
    facts.conflict = find_conflict(seen);
    facts.predecessor = find_predecessor(seen);
    if (!facts.conflict && !facts.predecessor) {
      want(out, kube::kServices, build_service(seen.agent), seen.service);
      want(out, kube::kStatefulSets,
           build_statefulset(seen.agent, *spec, facts.lifecycle.replicas, platform),
           seen.statefulset);
      if (facts.lifecycle.replicas == 1 && out.apply.empty())
        out.delete_pod = replace_pod(seen, facts.revision);
    }
  }
  write_status(out, facts, now);
  const bool pod_missing = facts.lifecycle.replicas == 1 && seen.statefulset && !seen.pod;
  if (facts.conflict || facts.predecessor || pod_missing) out.requeue_after = kLookAgain;
  return out;
}

}  // namespace oa::op
