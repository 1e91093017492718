// Whether a server-side apply would change anything, so that the call can be skipped (an apply that
// changes nothing may still write managedFields, which other watchers see as a change).
//
// The rule: skip when the live object carries the hash of exactly this desired object in the
// annotation kAppliedHash (so nothing that we applied before has to be taken back), and still
// contains everything that the desired object says (so nobody has changed it since). The hash
// stands in for managedFields, which the caches do not keep.
//
// Containment treats as equal what the server only writes differently: quantities of the same value
// (under requests, limits and capacity, and sizeLimit), and an absent field and a null or an empty
// map or list. Lists of maps are matched item by item through the first of the keys uid, name,
// containerPort, port, mountPath, devicePath, type, ip and topologyKey that tells all items apart;
// as in server-side apply, the live list may hold further items, of others. Finalizers are a set.
// Other lists must match in length and order.
//
// A desired object must not spell out zero values that the server leaves out (`readOnly: false`,
// `value: ""`): they would be found missing every time.
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
