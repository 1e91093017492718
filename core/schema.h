// A description of a JSON document from which come its validation, its defaults and its OpenAPI
// schema. The Agent's table (core/agent_schema.h) is the one place where its fields are described;
// the CRD is printed from it and the parser checks by it, so that the two cannot differ.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace oa::schema {

enum class Kind {
  kObject,   // `fields`
  kList,     // `items`
  kMap,      // text keys, values as `items`
  kString,   // `enumeration` or `pattern` narrow it
  kInteger,  // `minimum`, `maximum`
  kBoolean,
  kDuration,  // text for core/text.h's parse_duration; `minimum` and `maximum` in milliseconds
  kQuantity,  // text or integer for core/text.h's parse_quantity; `minimum` and `maximum` in the
              // base unit
  kTime,      // RFC 3339
  kCron,      // text for core/cron.h's parse_cron
  kAny,       // any JSON; `max_length` in bytes of its compact text, for the parser alone
};

// A rule that JSON Schema cannot say: CEL for the API server and, where it can be told from the
// value alone, the same in C++ for the parser. `must` completes "must ...".
struct Rule {
  std::string cel;  // empty: CEL cannot say it either
  std::string must;
  bool (*holds)(const Json&) = nullptr;  // null for rules about changes (`oldSelf`)
};

struct Field {
  std::string name;
  Kind kind = Kind::kString;
  std::string description;  // a sentence with unit, default and range: `kubectl explain` shows it
  bool required = false;
  Json default_value = nullptr;  // null: none
  std::optional<std::int64_t> minimum{};
  std::optional<std::int64_t> maximum{};
  // Of strings in bytes, of lists in items, of maps in entries; 0 for kinds without a size.
  std::size_t max_length = 0;
  std::string pattern{};       // ECMAScript, anchored
  std::string pattern_must{};  // what the pattern means, completes "must ..."
  std::vector<std::string> enumeration{};
  std::vector<Field> fields{};
  std::vector<Field> items{};  // one element: the description of a list's or map's values
  std::string list_map_key{};  // of a list of objects: the field that tells them apart
  std::vector<Rule> rules{};
};

enum class Unknown { kRefuse, kIgnore };

// Every way in which `value` breaks `field`, each with its path below `path`. Null counts as
// absent.
std::vector<FieldError> validate(const Field& field, const Json& value, const std::string& path,
                                 Unknown unknown);

// `value` with every absent field that has a default filled in, and nulls taken out, as the API
// server does.
Json with_defaults(const Field& field, Json value);

// The structural OpenAPI v3 schema of a CustomResourceDefinition, keys in a stable order.
OrderedJson to_openapi(const Field& field);

}  // namespace oa::schema
