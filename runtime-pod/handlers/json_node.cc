#include "runtime-pod/handlers/json_node.h"

#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kMaxErrors = 16;
constexpr std::size_t kShownBytes = 64;

// Short, and cheap also for a value of megabytes.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string() && value.get_ref<const std::string&>().size() > kShownBytes) {
    return "\"" + shorten(value.get_ref<const std::string&>(), kShownBytes) + "\"";
  }
  return dump(value);
}

// What follows "must" in an error that is a sentence, if it has one.
std::string must_of(const Error& error) {
  if (error.fields.size() == 1) return error.fields.front().must;
  const std::size_t at = error.detail.find("must ");
  return at == std::string::npos ? "be good: " + error.detail : error.detail.substr(at + 5);
}

}  // namespace

const Json* JsonNode::raw(std::string_view member) const {
  if (!value_->is_object()) return nullptr;
  const auto found = value_->find(std::string(member));
  return found == value_->end() ? nullptr : &*found;
}

const Json* JsonNode::find(std::string_view member) const {
  const Json* value = raw(member);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::vector<std::string> JsonNode::names() const {
  std::vector<std::string> names;
  if (!value_->is_object()) return names;
  for (const auto& [name, unused] : value_->items()) names.push_back(name);
  return names;
}

std::string JsonNode::text(std::string_view member) const {
  if (!has(member)) fail("be set", member);
  return text(member, "");
}

std::string JsonNode::text(std::string_view member, std::string_view otherwise) const {
  const Json* value = find(member);
  if (value == nullptr) return std::string(otherwise);
  if (value->is_string()) return value->get<std::string>();
  fail("be text", member);
  return {};
}

std::string JsonNode::bytes(std::string_view member) const {
  auto decoded = crypto::base64_decode(text(member));
  if (decoded) return *std::move(decoded);
  fail("be base64", member);
  return {};
}

std::int64_t JsonNode::number(std::string_view member, std::int64_t otherwise) const {
  const Json* value = find(member);
  if (value == nullptr) return otherwise;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
  if (fits) return value->get<std::int64_t>();
  fail("be a whole number", member);
  return otherwise;
}

bool JsonNode::flag(std::string_view member, bool otherwise) const {
  const Json* value = find(member);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  fail("be true or false", member);
  return otherwise;
}

Duration JsonNode::duration(std::string_view member, Duration otherwise) const {
  if (!has(member)) return otherwise;
  const auto parsed = parse_duration(text(member));
  if (parsed) return *parsed;
  fail("be a duration such as 30s, 5m or 800ms", member);
  return otherwise;
}

Time JsonNode::time(std::string_view member) const {
  const auto parsed = parse_time(text(member));
  if (parsed) return *parsed;
  fail("be an RFC 3339 time such as 2026-11-21T08:00:00Z", member);
  return {};
}

Json JsonNode::any(std::string_view member) const {
  const Json* value = find(member);
  return value == nullptr ? Json() : *value;
}

std::optional<JsonNode> JsonNode::object(std::string_view member) const {
  const Json* value = find(member);
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) return JsonNode(*value, path_of(member), *errors_);
  fail("be an object", member);
  return std::nullopt;
}

void JsonNode::each(std::string_view member, std::size_t most,
                    const std::function<void(const JsonNode& item)>& read) const {
  const Json* list = find(member);
  if (list == nullptr) return;
  if (!list->is_array()) return fail("be a list", member);
  if (list->size() > most) {
    return fail("have at most " + std::to_string(most) + " items", member);
  }
  const std::string path = path_of(member);
  for (std::size_t i = 0; i < list->size() && errors_->size() < kMaxErrors; ++i) {
    read(JsonNode((*list)[i], path + "[" + std::to_string(i) + "]", *errors_));
  }
}

std::string JsonNode::own_text() const {
  if (value_->is_string()) return value_->get<std::string>();
  fail("be text");
  return {};
}

void JsonNode::fail(std::string must, std::string_view member) const {
  if (errors_->size() >= kMaxErrors) return;
  const Json* value = member.empty() ? value_ : find(member);
  const std::string path = member.empty() ? path_ : path_of(member);
  errors_->push_back({path.empty() ? "body" : path,
                      value == nullptr ? std::string() : shown(*value), std::move(must)});
}

void JsonNode::check(const Result<void>& good, std::string_view member) const {
  // A member that is not there, or no text, has been told of.
  if (good || (!member.empty() && (!has(member) || !find(member)->is_string()))) return;
  fail(must_of(good.error()), member);
}

std::string JsonNode::path_of(std::string_view member) const {
  return path_.empty() ? std::string(member) : path_ + "." + std::string(member);
}

}  // namespace oa::runtime
