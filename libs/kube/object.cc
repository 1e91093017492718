#include "libs/kube/object.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace oa::kube {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// One reference token of a JSON pointer with ~1 and ~0 undone (RFC 6901).
std::string unescape(std::string_view token) {
  std::string text;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size()) {
      ++i;
      text += token[i] == '1' ? '/' : '~';
    } else {
      text += token[i];
    }
  }
  return text;
}

std::string_view take_token(std::string_view& pointer) {
  pointer.remove_prefix(1);  // the slash
  const std::string_view token = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(token.size());
  return token;
}

template <typename Document>
Document* member(Document* value, std::string_view token) {
  if (value->is_object()) {
    auto it = token.find('~') == std::string_view::npos ? value->find(token)
                                                        : value->find(unescape(token));
    return it == value->end() ? nullptr : &*it;
  }
  if (!value->is_array()) return nullptr;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size() || index >= value->size()) {
    return nullptr;
  }
  return &(*value)[index];
}

template <typename Document>
Document* find(Document& document, std::string_view pointer) {
  Document* value = &document;
  while (value && !pointer.empty()) {
    if (pointer.front() != '/') return nullptr;
    value = member(value, take_token(pointer));
  }
  return value;
}

std::string text_of(const Json& object, std::string_view name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::optional<Time> time_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const Result<Time> time = parse_time(text);
  return time ? std::optional<Time>(*time) : std::nullopt;
}

std::optional<std::string_view> entry(const Json* map, std::string_view name) {
  if (!map || !map->is_object()) return std::nullopt;
  const auto it = map->find(name);
  if (it == map->end() || !it->is_string()) return std::nullopt;
  return std::string_view(it->get_ref<const std::string&>());
}

}  // namespace

std::string to_string(const ObjectKey& key) {
  return key.ns.empty() ? key.name : key.ns + "/" + key.name;
}

std::size_t ObjectKeyHash::operator()(const ObjectKey& key) const noexcept {
  const std::size_t a = std::hash<std::string>()(key.ns);
  const std::size_t b = std::hash<std::string>()(key.name);
  return a ^ (b + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2));
}

Object::Object(nlohmann::json document)
    : document_(std::make_shared<const nlohmann::json>(std::move(document))) {}

std::int64_t Object::generation() const { return integer("/metadata/generation").value_or(0); }

ObjectKey Object::key() const { return {std::string(ns()), std::string(name())}; }

std::optional<std::string_view> Object::label(std::string_view name) const {
  return entry(at("/metadata/labels"), name);
}

std::optional<std::string_view> Object::annotation(std::string_view name) const {
  return entry(at("/metadata/annotations"), name);
}

std::optional<Controller> Object::controller() const {
  const Json* owners = at("/metadata/ownerReferences");
  if (!owners || !owners->is_array()) return std::nullopt;
  for (const Json& owner : *owners) {
    if (!owner.is_object()) continue;
    const auto flag = owner.find("controller");
    if (flag == owner.end() || !flag->is_boolean() || !flag->get<bool>()) continue;
    return Controller{text_of(owner, "apiVersion"), text_of(owner, "kind"), text_of(owner, "name"),
                      text_of(owner, "uid")};
  }
  return std::nullopt;
}

bool Object::deleting() const { return !text("/metadata/deletionTimestamp").empty(); }

std::optional<Time> Object::deletion_time() const {
  return time_of(text("/metadata/deletionTimestamp"));
}

std::optional<Time> Object::creation_time() const {
  return time_of(text("/metadata/creationTimestamp"));
}

std::optional<Condition> Object::condition(std::string_view type) const {
  const Json* conditions = at("/status/conditions");
  if (!conditions || !conditions->is_array()) return std::nullopt;
  for (const Json& item : *conditions) {
    if (!item.is_object() || text_of(item, "type") != type) continue;
    Condition condition{std::string(type),
                        text_of(item, "status"),
                        text_of(item, "reason"),
                        text_of(item, "message"),
                        0,
                        time_of(text_of(item, "lastTransitionTime"))};
    const auto generation = item.find("observedGeneration");
    if (generation != item.end() && generation->is_number_integer()) {
      condition.observed_generation = generation->get<std::int64_t>();
    }
    return condition;
  }
  return std::nullopt;
}

const nlohmann::json* Object::at(std::string_view pointer) const {
  return find(*document_, pointer);
}

std::string_view Object::text(std::string_view pointer) const {
  const Json* value = at(pointer);
  return value && value->is_string() ? std::string_view(value->get_ref<const std::string&>())
                                     : std::string_view();
}

std::optional<std::int64_t> Object::integer(std::string_view pointer) const {
  const Json* value = at(pointer);
  if (!value || !value->is_number_integer()) return std::nullopt;
  return value->get<std::int64_t>();
}

std::optional<bool> Object::boolean(std::string_view pointer) const {
  const Json* value = at(pointer);
  if (!value || !value->is_boolean()) return std::nullopt;
  return value->get<bool>();
}

void strip_bookkeeping(nlohmann::json& document) {
  Json* metadata = find(document, "/metadata");
  if (!metadata || !metadata->is_object()) return;
  metadata->erase("managedFields");
  const auto annotations = metadata->find("annotations");
  if (annotations == metadata->end() || !annotations->is_object()) return;
  annotations->erase(std::string(kLastApplied));
  if (annotations->empty()) metadata->erase("annotations");
}

Projection keep_fields(std::vector<std::string> pointers) {
  for (const char* always : {"/metadata", "/kind", "/apiVersion"}) pointers.emplace_back(always);
  return [pointers = std::move(pointers)](Json& document) {
    Json kept = Json::object();
    for (const std::string& pointer : pointers) {
      Json* value = find(document, pointer);
      if (!value) continue;
      Json* place = &kept;
      std::string_view rest = pointer;
      while (!rest.empty()) place = &(*place)[unescape(take_token(rest))];
      *place = std::move(*value);
    }
    document = std::move(kept);
  };
}

VersionOrder compare_versions(std::string_view a, std::string_view b) {
  if (a == b) return VersionOrder::kSame;
  const auto ordered = [](std::string_view v) {
    return !v.empty() && v.front() != '0' &&
           std::all_of(v.begin(), v.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!ordered(a) || !ordered(b)) return VersionOrder::kUnknown;
  const bool newer = a.size() != b.size() ? a.size() > b.size() : a > b;
  return newer ? VersionOrder::kNewer : VersionOrder::kOlder;
}

}  // namespace oa::kube
