// Whether a server-side apply would change anything, so that the call can be skipped (an apply that
// changes nothing may still write managedFields, which other watchers see as a change).
//
// The rule: skip when the live object carries the hash of exactly this desired object in the
// annotation kAppliedHash (so nothing that we applied before has to be taken back), and still
// contains everything that the desired object says (so nobody has changed it since). The hash
// stands in for managedFields, which the caches do not keep.
//
// Containment treats as equal what the server only writes differently: quantities of the same
// value, int-or-string, an absent field and an empty map or list. Lists of maps with the same merge
// key (name, containerPort, port, mountPath, devicePath, type, uid, ip, topologyKey) match item by
// key, others by index, and must have the same length, but for those that others may add to
// (metadata.finalizers, ownerReferences, status.conditions).
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace oa::kube {

inline constexpr std::string_view kAppliedHash = "openagents.com/applied-hash";

// `desired` with the annotation set to the hash of the rest. What goes into Client::apply.
nlohmann::json with_applied_hash(nlohmann::json desired);

// `desired` is the result of with_applied_hash.
bool already_applied(const nlohmann::json& desired, const nlohmann::json& live);

// For status subresources, which carry no hash of their own: does `live` contain `desired`? The
// path of the first difference is for logs; empty: none.
std::string first_difference(const nlohmann::json& desired, const nlohmann::json& live);

}  // namespace oa::kube
