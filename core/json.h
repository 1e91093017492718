// JSON and YAML text into one JSON value, with the limits that foreign bytes need.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

#include "core/result.h"

namespace oa {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

inline constexpr std::size_t kMaxJsonDepth = 64;

// Refuses (INVALID_REQUEST) malformed text, text that is not UTF-8, and nesting deeper than
// `kMaxJsonDepth`. The message says where.
Result<Json> parse_json(std::string_view text);

// One YAML 1.2 document (core schema: a plain `yes` is text, `true` a boolean; quoted scalars are
// text), or JSON when the text begins with "{". Also refuses duplicate keys, keys that are not
// text, more than one document, and aliases that expand to more than 100,000 nodes or 16 MiB.
Result<Json> parse_yaml(std::string_view text);

// The compact text of a value. Bytes that are not UTF-8 are replaced, so that this never fails.
std::string dump(const Json& value);

}  // namespace oa
