#include "core/schema.h"

#include <algorithm>
#include <array>
#include <regex>
#include <set>

#include "core/cron.h"
#include "core/text.h"

namespace oa::schema {
namespace {

std::string shown(const Json& value) { return shorten(dump(value), 64); }

std::string range_text(const Field& field) {
  const std::string unit_min = std::to_string(field.minimum.value_or(0));
  const std::string unit_max = std::to_string(field.maximum.value_or(0));
  if (field.minimum && field.maximum) return "be between " + unit_min + " and " + unit_max;
  return field.minimum ? "be at least " + unit_min : "be at most " + unit_max;
}

bool in_range(const Field& field, std::int64_t number) {
  return (!field.minimum || number >= *field.minimum) &&
         (!field.maximum || number <= *field.maximum);
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string duration_text(std::int64_t milliseconds) {
  return format_duration(std::chrono::milliseconds(milliseconds));
}

// What a duration field must be; the CEL rule and the parser say it in the same words.
std::string duration_must(const Field& field) {
  std::string text = "be a duration such as 30s, 5m or 1h30m";
  if (field.minimum && field.maximum) {
    text += " between " + duration_text(*field.minimum) + " and " + duration_text(*field.maximum);
  }
  return text;
}

// Bytes in the largest binary unit that divides them: 16777216 is 16Mi.
std::string bytes_text(std::int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"", "Ki", "Mi", "Gi", "Ti"};
  std::size_t unit = 0;
  for (; unit + 1 < kUnits.size() && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return std::to_string(bytes) + kUnits[unit];
}

constexpr const char* kCronMust =
    "be a cron expression of five fields such as 0 9 * * 1, or one such as @hourly";
constexpr const char* kQuantityMust = "be a quantity such as 500Mi or 10Gi";

class Validator {
 public:
  explicit Validator(Unknown unknown) : unknown_(unknown) {}

  void check(const Field& field, const Json& value, const std::string& path) {
    const std::size_t before = errors_.size();
    switch (field.kind) {
      case Kind::kObject:
        check_object(field, value, path);
        break;
      case Kind::kList:
        check_list(field, value, path);
        break;
      case Kind::kMap:
        check_map(field, value, path);
        break;
      case Kind::kString:
        check_string(field, value, path);
        break;
      case Kind::kInteger:
        check_integer(field, value, path);
        break;
      case Kind::kBoolean:
        require(value.is_boolean(), value, path, "be true or false");
        break;
      case Kind::kDuration:
        check_duration(field, value, path);
        break;
      case Kind::kQuantity:
        check_quantity(field, value, path);
        break;
      case Kind::kTime:
        require(value.is_string() && parse_time(value.get_ref<const std::string&>()).ok(), value,
                path, "be an RFC 3339 time such as 2026-11-21T08:00:00Z");
        break;
      case Kind::kCron:
        check_cron(field, value, path);
        break;
      case Kind::kAny:
        require(dump(value).size() <= field.max_length, value, path,
                "take at most " + bytes_text(field.max_length) + " bytes as JSON");
        break;
    }
    if (errors_.size() > before) return;
    for (const Rule& rule : field.rules) {
      if (rule.holds && !rule.holds(value)) errors_.push_back({path, shown(value), rule.must});
    }
  }

  std::vector<FieldError> take() { return std::move(errors_); }

 private:
  bool require(bool holds, const Json& value, const std::string& path, std::string must) {
    if (!holds) errors_.push_back({path, shown(value), std::move(must)});
    return holds;
  }

  void check_object(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_object(), value, path, "be an object")) return;
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const Field& child : field.fields) {
      const auto found = value.find(child.name);
      if (found != value.end() && !found->is_null()) {
        check(child, *found, prefix + child.name);
      } else if (child.required) {
        errors_.push_back({prefix + child.name, "", "be set"});
      }
    }
    if (unknown_ == Unknown::kIgnore) return;
    for (const auto& member : value.items()) {
      const std::string& key = member.key();
      const bool known = std::any_of(field.fields.begin(), field.fields.end(),
                                     [&](const Field& child) { return child.name == key; });
      if (!known)
        errors_.push_back({prefix + shorten(key, 64), "", "not be set: there is no such field"});
    }
  }

  void check_list(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_array(), value, path, "be a list")) return;
    require(value.size() <= field.max_length, value, path,
            "have at most " + std::to_string(field.max_length) + " items");
    for (std::size_t i = 0; i < value.size() && i < field.max_length; ++i) {
      check(field.items.front(), value[i], path + "[" + std::to_string(i) + "]");
    }
    if (!field.list_map_key.empty()) check_keys(field, value, path);
  }

  // Items of a map-like list are told apart by one of their fields, as the API server sees to.
  void check_keys(const Field& field, const Json& list, const std::string& path) {
    std::set<Json> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_object() || !list[i].contains(field.list_map_key)) continue;
      const Json& key = list[i].at(field.list_map_key);
      require(seen.insert(key).second, key,
              path + "[" + std::to_string(i) + "]." + field.list_map_key,
              "differ from that of every other item");
    }
  }

  void check_map(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_object(), value, path, "be an object")) return;
    if (!require(value.size() <= field.max_length, value, path,
                 "have at most " + std::to_string(field.max_length) + " entries")) {
      return;
    }
    for (const auto& [key, item] : value.items())
      check(field.items.front(), item, path + "." + shorten(key, 64));
  }

  void check_string(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_string(), value, path, "be text")) return;
    const std::string& text = value.get_ref<const std::string&>();
    if (!field.enumeration.empty()) {
      const bool listed = std::find(field.enumeration.begin(), field.enumeration.end(), text) !=
                          field.enumeration.end();
      require(listed, value, path, "be one of " + list_of(field.enumeration));
      return;
    }
    if (!require(text.size() <= field.max_length, value, path,
                 "be at most " + std::to_string(field.max_length) + " characters long")) {
      return;
    }
    if (!field.pattern.empty()) {
      require(std::regex_search(text, std::regex(field.pattern)), value, path, field.pattern_must);
    }
  }

  void check_integer(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_number_integer(), value, path, "be a whole number")) return;
    const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX;
    require(fits && in_range(field, value.get<std::int64_t>()), value, path, range_text(field));
  }

  void check_duration(const Field& field, const Json& value, const std::string& path) {
    const auto parsed = value.is_string() ? parse_duration(value.get_ref<const std::string&>())
                                          : Result<Duration>(make_error(Code::kInvalidRequest, ""));
    const bool good = parsed.ok() && in_range(field, parsed->count() / 1000);
    require(good, value, path, duration_must(field));
  }

  void check_cron(const Field& field, const Json& value, const std::string& path) {
    if (!require(value.is_string(), value, path, "be text")) return;
    const std::string& text = value.get_ref<const std::string&>();
    if (!require(text.size() <= field.max_length, value, path,
                 "be at most " + std::to_string(field.max_length) + " characters long")) {
      return;
    }
    const auto parsed = parse_cron(text);
    if (!parsed) {
      errors_.push_back(
          {path, shown(value), std::string(kCronMust) + ": " + parsed.error().detail});
    }
  }

  void check_quantity(const Field& field, const Json& value, const std::string& path) {
    const std::string text = value.is_number_integer() ? value.dump()
                             : value.is_string()       ? value.get<std::string>()
                                                       : "";
    const auto parsed = parse_quantity(text);
    if (!require(parsed.ok(), value, path, kQuantityMust)) return;
    require(in_range(field, *parsed), value, path,
            "be at least " + bytes_text(field.minimum.value_or(0)));
  }

  const Unknown unknown_;
  std::vector<FieldError> errors_;
};

void drop_nulls(Json& object) {
  for (auto it = object.begin(); it != object.end();)
    it = it->is_null() ? object.erase(it) : std::next(it);
}

OrderedJson rule_json(const std::string& cel, const std::string& must) {
  OrderedJson rule;
  rule["rule"] = cel;
  rule["message"] = "must " + must;
  return rule;
}

void add_rule(OrderedJson& out, const std::string& cel, const std::string& must) {
  out["x-kubernetes-validations"].push_back(rule_json(cel, must));
}

void describe_string(const Field& field, OrderedJson& out) {
  out["type"] = "string";
  if (!field.enumeration.empty()) {
    out["enum"] = field.enumeration;
    return;
  }
  out["maxLength"] = field.max_length;
  // A CEL rule rather than `pattern`: its message says what must hold instead of showing the
  // expression.
  if (!field.pattern.empty()) {
    add_rule(out, "self.matches(" + OrderedJson(field.pattern).dump() + ")", field.pattern_must);
  }
}

// CEL's own duration() reads the same units; the order of units is checked by the expression before
// it.
void describe_duration(const Field& field, OrderedJson& out) {
  out["type"] = "string";
  out["maxLength"] = 32;
  std::string cel =
      "self.matches('^([0-9]{1,6}h)?([0-9]{1,8}m)?([0-9]{1,9}s)?([0-9]{1,12}ms)?$') && size(self) "
      "> 0";
  if (field.minimum)
    cel += " && duration(self) >= duration('" + duration_text(*field.minimum) + "')";
  if (field.maximum)
    cel += " && duration(self) <= duration('" + duration_text(*field.maximum) + "')";
  add_rule(out, cel, duration_must(field));
}

// The API server sees to the shape; the rest is parse_cron's.
void describe_cron(const Field& field, OrderedJson& out) {
  out["type"] = "string";
  out["maxLength"] = field.max_length;
  add_rule(out, "self.matches('^(@[a-z]+|[-0-9A-Za-z*/,]+([ ]+[-0-9A-Za-z*/,]+){4})$')", kCronMust);
}

void describe_quantity(const Field& field, OrderedJson& out) {
  out["anyOf"] = OrderedJson::array({{{"type", "integer"}}, {{"type", "string"}}});
  out["x-kubernetes-int-or-string"] = true;
  out["maxLength"] = 64;
  add_rule(out, "isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('0')) >= 0",
           kQuantityMust);
  if (field.minimum) {
    add_rule(out,
             "!isQuantity(string(self)) || quantity(string(self)).compareTo(quantity('" +
                 bytes_text(*field.minimum) + "')) >= 0",
             "be at least " + bytes_text(*field.minimum));
  }
}

void describe_children(const Field& field, OrderedJson& out) {
  OrderedJson properties = OrderedJson::object();
  OrderedJson required = OrderedJson::array();
  for (const Field& child : field.fields) {
    properties[child.name] = to_openapi(child);
    if (child.required) required.push_back(child.name);
  }
  if (!required.empty()) out["required"] = required;
  if (!properties.empty()) out["properties"] = properties;
}

void describe_list(const Field& field, OrderedJson& out) {
  out["type"] = "array";
  out["maxItems"] = field.max_length;
  out["x-kubernetes-list-type"] = field.list_map_key.empty() ? "atomic" : "map";
  if (!field.list_map_key.empty()) out["x-kubernetes-list-map-keys"] = {field.list_map_key};
  out["items"] = to_openapi(field.items.front());
}

}  // namespace

std::vector<FieldError> validate(const Field& field, const Json& value, const std::string& path,
                                 Unknown unknown) {
  Validator validator(unknown);
  validator.check(field, value, path);
  return validator.take();
}

Json with_defaults(const Field& field, Json value) {
  if (field.kind == Kind::kObject && value.is_object()) {
    drop_nulls(value);
    for (const Field& child : field.fields) {
      const auto found = value.find(child.name);
      if (found != value.end()) {
        *found = with_defaults(child, std::move(*found));
      } else if (!child.default_value.is_null()) {
        value[child.name] = with_defaults(child, child.default_value);
      }
    }
  } else if (field.kind == Kind::kList && value.is_array()) {
    for (Json& item : value) item = with_defaults(field.items.front(), std::move(item));
  }
  return value;
}

OrderedJson to_openapi(const Field& field) {
  OrderedJson out;
  if (!field.description.empty()) out["description"] = field.description;
  switch (field.kind) {
    case Kind::kObject:
      out["type"] = "object";
      break;
    case Kind::kList:
      describe_list(field, out);
      break;
    case Kind::kMap:
      out["type"] = "object";
      out["maxProperties"] = field.max_length;
      out["additionalProperties"] = to_openapi(field.items.front());
      break;
    case Kind::kString:
      describe_string(field, out);
      break;
    case Kind::kInteger:
      out["type"] = "integer";
      out["format"] = "int64";
      if (field.minimum) out["minimum"] = *field.minimum;
      if (field.maximum) out["maximum"] = *field.maximum;
      break;
    case Kind::kBoolean:
      out["type"] = "boolean";
      break;
    case Kind::kDuration:
      describe_duration(field, out);
      break;
    case Kind::kQuantity:
      describe_quantity(field, out);
      break;
    case Kind::kTime:
      out["type"] = "string";
      out["format"] = "date-time";
      break;
    case Kind::kCron:
      describe_cron(field, out);
      break;
    case Kind::kAny:
      out["x-kubernetes-preserve-unknown-fields"] = true;
      break;
  }
  if (!field.default_value.is_null())
    out["default"] = OrderedJson::parse(field.default_value.dump());
  for (const Rule& rule : field.rules) {
    if (!rule.cel.empty()) add_rule(out, rule.cel, rule.must);
  }
  if (field.kind == Kind::kObject) describe_children(field, out);
  return out;
}

}  // namespace oa::schema
