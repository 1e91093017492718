// The kinds of objects that this product touches, and their paths in the API.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <string>
#include <string_view>

#include "libs/kube/object.h"

namespace oa::kube {

struct Resource {
  std::string_view group;  // empty for the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;
  bool namespaced = true;

  bool operator==(const Resource&) const = default;
};

inline constexpr Resource kAgents{"openagents.com", "v1", "agents", "Agent"};
inline constexpr Resource kStatefulSets{"apps", "v1", "statefulsets", "StatefulSet"};
inline constexpr Resource kServices{"", "v1", "services", "Service"};
inline constexpr Resource kPersistentVolumeClaims{"", "v1", "persistentvolumeclaims",
                                                  "PersistentVolumeClaim"};
inline constexpr Resource kPods{"", "v1", "pods", "Pod"};
inline constexpr Resource kLeases{"coordination.k8s.io", "v1", "leases", "Lease"};
inline constexpr Resource kEvents{"events.k8s.io", "v1", "events", "Event"};
inline constexpr Resource kNamespaces{"", "v1", "namespaces", "Namespace", false};

std::string api_version(const Resource& resource);  // "apps/v1", "v1"

// "/apis/apps/v1/namespaces/default/statefulsets"; an empty namespace means all of them.
std::string collection_path(const Resource& resource, std::string_view ns);

// "/apis/apps/v1/namespaces/default/statefulsets/x", with "/status" and the like behind it.
std::string object_path(const Resource& resource, const ObjectKey& key,
                        std::string_view subresource = {});

}  // namespace oa::kube
