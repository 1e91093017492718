#include "operator/observe.h"

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "operator/desired/names.h"

namespace oa::op {
namespace {

using kube::ObjectKey;

// The cached child, or the one on the server: an object that does not carry our label is in no
// cache.
Result<std::optional<kube::Object>> find_child(const kube::Store& store, const kube::Client& client,
                                               const kube::Resource& resource,
                                               const ObjectKey& key) {
  if (auto cached = store.get(key)) return std::optional(std::move(*cached));
  auto live = client.get(resource, key);
  if (live) return std::optional(std::move(*live));
  if (live.error().code == Code::kNotFound) return std::optional<kube::Object>();
  return live.error();
}

// The StatefulSet wants a pod, its controller has seen that, and there is none.
bool pod_is_missing(const Observed& seen) {
  return seen.statefulset && !seen.pod &&
         seen.statefulset->integer("/spec/replicas").value_or(0) > 0 &&
         seen.statefulset->integer("/status/observedGeneration").value_or(0) >=
             seen.statefulset->generation();
}

// A failure to read the events only costs the explanation.
std::optional<std::string> find_pod_refusal(const kube::Client& client, const kube::Object& agent) {
  const auto ready = agent.condition("Ready");
  if (!ready || ready->status == "True" || !ready->last_transition) return std::nullopt;
  const kube::Selection selection{std::string(agent.ns()), "",
                                  "regarding.kind=StatefulSet,regarding.name=" +
                                      std::string(agent.name()) + ",reason=FailedCreate"};
  const auto events = client.list(kube::kEvents, selection, {});
  return events ? newest_refusal(events->items, *ready->last_transition) : std::nullopt;
}

}  // namespace

Stores::Stores()
    : statefulsets(kube::keep_fields({"/spec", "/status/observedGeneration"})),
      services(kube::keep_fields({"/spec"})),
      claims(kube::keep_fields({"/status/phase", "/status/capacity"})),
      pods(
          kube::keep_fields({"/status/phase", "/status/conditions", "/status/containerStatuses"})) {
}

bool Stores::ready() const {
  return agents.ready() && statefulsets.ready() && services.ready() && claims.ready() &&
         pods.ready();
}

std::optional<std::string> newest_refusal(const std::vector<kube::Object>& events, Time since) {
  std::optional<std::string> newest;
  for (const kube::Object& event : events) {
    std::string_view text = event.text("/series/lastObservedTime");
    if (text.empty()) text = event.text("/deprecatedLastTimestamp");
    if (text.empty()) text = event.text("/eventTime");
    const auto time = parse_time(text);
    if (!time || *time < since) continue;
    since = *time;
    newest = std::string(event.text("/note"));
  }
  return newest;
}

Result<std::optional<Observed>> observe(const Stores& stores, const kube::Client& client,
                                        const ObjectKey& key) {
  auto agent = stores.agents.get(key);
  if (!agent) return std::optional<Observed>();
  Observed seen{.agent = std::move(*agent)};
  auto statefulset = find_child(stores.statefulsets, client, kube::kStatefulSets, key);
  if (!statefulset) return statefulset.error();
  auto service = find_child(stores.services, client, kube::kServices, key);
  if (!service) return service.error();
  seen.statefulset = std::move(*statefulset);
  seen.service = std::move(*service);
  const ObjectKey claim_key{key.ns, claim_name(key.name)};
  seen.claim = stores.claims.get(claim_key);
  if (!seen.claim && !seen.statefulset) {
    auto claim = find_child(stores.claims, client, kube::kPersistentVolumeClaims, claim_key);
    if (!claim) return claim.error();
    seen.claim = std::move(*claim);
  }
  seen.pod = stores.pods.get({key.ns, pod_name(key.name)});
  if (pod_is_missing(seen)) seen.pod_refusal = find_pod_refusal(client, seen.agent);
  return std::optional(std::move(seen));
}

}  // namespace oa::op
