#include "libs/kube/apply_match.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "core/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"

namespace oa::kube {
namespace {

constexpr std::array<const char*, 9> kMergeKeys{
    "uid", "name", "containerPort", "port", "mountPath", "devicePath", "type", "ip", "topologyKey"};

bool is_empty(const Json& value) {
  return value.is_null() || (value.is_structured() && value.empty());
}

// Values that the server rewrites in canonical form: `1000m` becomes `1`.
bool holds_quantities(std::string_view path) {
  return path.ends_with("/requests") || path.ends_with("/limits") || path.ends_with("/capacity");
}

std::string as_text(const Json& scalar) {
  return scalar.is_string() ? scalar.get<std::string>() : scalar.dump();
}

bool same_quantity(const Json& a, const Json& b) {
  const Result<std::int64_t> x = parse_quantity_milli(as_text(a));
  const Result<std::int64_t> y = parse_quantity_milli(as_text(b));
  return x.ok() && y.ok() && *x == *y;
}

// The first merge key that tells all items of a list of maps apart; nullptr if none does.
const char* merge_key(const Json& items) {
  for (const char* key : kMergeKeys) {
    std::set<std::string> values;
    const bool all = std::all_of(items.begin(), items.end(), [&](const Json& item) {
      if (!item.is_object()) return false;
      const auto value = item.find(key);
      return value != item.end() && !value->is_structured() &&
             values.insert(as_text(*value)).second;
    });
    if (all) return key;
  }
  return nullptr;
}

// Each returns the path of the first thing in `desired` that `live` does not contain; empty if
// there is none.
std::string compare(const Json& desired, const Json& live, const std::string& path, bool quantity);

std::string compare_maps(const Json& desired, const Json& live, const std::string& path) {
  const bool quantities = holds_quantities(path);
  for (const auto& [name, value] : desired.items()) {
    const auto found = live.find(name);
    const std::string below = path + "/" + name;
    if (found == live.end()) {
      if (!is_empty(value)) return below;
      continue;
    }
    std::string difference = compare(value, *found, below, quantities || name == "sizeLimit");
    if (!difference.empty()) return difference;
  }
  return {};
}

std::string compare_keyed(const Json& desired, const Json& live, const std::string& path,
                          const char* key) {
  for (const Json& item : desired) {
    const auto match = std::find_if(live.begin(), live.end(), [&](const Json& other) {
      return other.is_object() && other.contains(key) && other[key] == item[key];
    });
    const std::string below = path + "[" + key + "=" + as_text(item[key]) + "]";
    if (match == live.end()) return below;
    std::string difference = compare(item, *match, below, false);
    if (!difference.empty()) return difference;
  }
  return {};
}

std::string compare_lists(const Json& desired, const Json& live, const std::string& path) {
  if (desired.empty()) return live.empty() ? "" : path;
  if (path == "/metadata/finalizers") {
    for (const Json& item : desired) {
      if (std::find(live.begin(), live.end(), item) == live.end()) return path;
    }
    return {};
  }
  if (const char* key = merge_key(desired); key && merge_key(live))
    return compare_keyed(desired, live, path, key);
  if (desired.size() != live.size()) return path;
  for (std::size_t i = 0; i < desired.size(); ++i) {
    std::string difference =
        compare(desired[i], live[i], path + "[" + std::to_string(i) + "]", false);
    if (!difference.empty()) return difference;
  }
  return {};
}

std::string compare(const Json& desired, const Json& live, const std::string& path, bool quantity) {
  if (is_empty(desired) && is_empty(live)) return {};
  if (desired.is_object() && live.is_object()) return compare_maps(desired, live, path);
  if (desired.is_array() && live.is_array()) return compare_lists(desired, live, path);
  if (desired == live || (quantity && same_quantity(desired, live))) return {};
  return path.empty() ? "/" : path;
}

}  // namespace

nlohmann::json with_applied_hash(nlohmann::json desired) {
  const std::string name(kAppliedHash);
  Json& metadata = desired["metadata"];
  if (const auto annotations = metadata.find("annotations"); annotations != metadata.end()) {
    annotations->erase(name);
    if (annotations->empty()) metadata.erase(annotations);
  }
  std::string hash =
      crypto::hex_encode(crypto::bytes_of(crypto::sha256(dump(desired))).substr(0, 16));
  metadata["annotations"][name] = std::move(hash);
  return desired;
}

bool already_applied(const nlohmann::json& desired, const nlohmann::json& live) {
  // The annotation is part of `desired`, so that another hash is a difference too.
  return first_difference(desired, live).empty();
}

std::string first_difference(const nlohmann::json& desired, const nlohmann::json& live) {
  return compare(desired, live, "", false);
}

}  // namespace oa::kube
