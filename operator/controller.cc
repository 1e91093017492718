#include "operator/controller.h"

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "core/wire.h"
#include "operator/desired/names.h"

namespace oa::op {
namespace {

using nlohmann::json;

kube::Store& store_of(Stores& stores, const kube::Resource& resource) {
  return resource == kube::kServices ? stores.services : stores.statefulsets;
}

// Errors that pass by themselves are retried in silence; a refusal is shown to the user as well.
std::optional<Finding> refusal(const Error& error) {
  if (error.code != Code::kInvalidRequest && error.code != Code::kUnauthorized) return std::nullopt;
  return refusal_finding("a child object", error.detail, "ApplyRefused");
}

}  // namespace

Controller::Controller(Parts parts, Platform platform)
    : parts_(std::move(parts)), platform_(std::move(platform)) {
  for (const char* result : {"success", "error", "requeue_after"}) {
    parts_.metrics.counter("controller_runtime_reconcile_total", "Reconciles by result",
                           {{"controller", "agent"}, {"result", result}});
  }
}

void Controller::work(std::stop_token stop) {
  while (auto key = parts_.queue.get(stop)) {
    const Monotonic begin = parts_.clock.monotonic();
    const auto result = reconcile(*key);
    const char* outcome = !result ? "error" : *result ? "requeue_after" : "success";
    if (!result) {
      parts_.queue.retry(*key);
    } else {
      parts_.queue.forget(*key);
      if (*result) parts_.queue.add_after(*key, **result, kube::Priority::kResync);
    }
    parts_.queue.done(*key);
    parts_.metrics
        .counter("controller_runtime_reconcile_total", "Reconciles by result",
                 {{"controller", "agent"}, {"result", outcome}})
        .add();
    parts_.metrics
        .histogram("controller_runtime_reconcile_time_seconds", "Time of one reconcile",
                   {{"controller", "agent"}})
        .observe(std::chrono::duration<double>(parts_.clock.monotonic() - begin).count());
  }
}

Result<std::optional<Duration>> Controller::reconcile(const kube::ObjectKey& key) {
  auto seen = observe(parts_.stores, parts_.client, key);
  if (!seen) {
    parts_.log.warn("cannot observe agent",
                    {{"namespace", key.ns}, {"agent", key.name}, {"error", seen.error()}});
    return seen.error();
  }
  if (!*seen) return std::optional<Duration>();
  Observed& observed = **seen;
  const Plan wanted = plan(observed, platform_, parts_.clock.now());
  const auto done = execute(wanted, observed.agent);
  if (done) return wanted.requeue_after;
  parts_.log.warn("cannot bring agent to its spec",
                  {{"namespace", key.ns}, {"agent", key.name}, {"error", done.error()}});
  observed.failure = refusal(done.error());
  if (observed.failure) {
    const auto shown = write_status(plan(observed, platform_, parts_.clock.now()), observed.agent);
    if (!shown)
      parts_.log.warn("cannot write status", {{"agent", to_string(key)}, {"error", shown.error()}});
  }
  return done.error();
}

Result<void> Controller::execute(const Plan& plan, const kube::Object& agent) {
  if (auto done = execute_children(plan, agent); !done) return done;
  return write_status(plan, agent);
}

Result<void> Controller::execute_children(const Plan& plan, const kube::Object& agent) {
  for (const Apply& apply : plan.apply) {
    auto written = parts_.client.apply(apply.resource, apply.object, {.field_manager = kManager});
    if (!written) return written.error();
    store_of(parts_.stores, apply.resource).on_own_write(*written);
    if (apply.creates && apply.resource == kube::kStatefulSets) {
      note(agent,
           {false,
            {"Created", "created the Service and the StatefulSet " + std::string(agent.name())}});
    }
  }
  if (plan.delete_pod) {
    auto removed =
        parts_.client.remove(kube::kPods, plan.delete_pod->key, {.uid = plan.delete_pod->uid});
    if (!removed) return removed;
    note(agent, plan.delete_pod->note);
  }
  return {};
}

Result<void> Controller::write_status(const Plan& plan, const kube::Object& agent) {
  if (!plan.status) return {};
  const json object = {{"apiVersion", std::string(wire::kApiVersion)},
                       {"kind", std::string(wire::kKind)},
                       {"metadata",
                        {{"name", std::string(agent.name())},
                         {"namespace", std::string(agent.ns())},
                         // An agent that was deleted and made again meanwhile has another status.
                         {"uid", std::string(agent.uid())}}},
                       {"status", *plan.status}};
  auto written = parts_.client.apply_status(kube::kAgents, object, {.field_manager = kManager});
  if (!written) {
    // Deleted meanwhile: there is nothing left to tell about.
    return written.error().code == Code::kNotFound ? Result<void>() : Result<void>(written.error());
  }
  parts_.stores.agents.on_own_write(*written);
  for (const Note& each : plan.notes) note(agent, each);
  return {};
}

void Controller::note(const kube::Object& agent, const Note& note) {
  parts_.events.record({.regarding = kube::reference_to(agent),
                        .type = note.warning ? kube::EventType::kWarning : kube::EventType::kNormal,
                        .reason = note.finding.reason,
                        .action = "Reconcile",
                        .note = note.finding.message});
}

}  // namespace oa::op
