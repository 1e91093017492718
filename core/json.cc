#include "core/json.h"

#include <charconv>
#include <cmath>
#include <string>

#include <yaml-cpp/yaml.h>

#include "core/text.h"

namespace oa {
namespace {

constexpr std::size_t kMaxYamlNodes = 100'000;

Error malformed(std::string_view format, const std::string& why) {
  return make_error(Code::kInvalidRequest,
                    std::string("the body must be valid ") + std::string(format) + ": " + why);
}

// Depth outside of strings. Malformed text may give a wrong figure; the parser refuses it
// afterwards.
std::size_t nesting_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Error too_deep(std::string_view format) {
  return malformed(
      format, "it must not be nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
}

template <typename Number>
bool whole_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const auto parsed = std::from_chars(begin, end, number);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

// A plain scalar by the YAML 1.2 core schema.
Json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (text.find_first_not_of("0123456789+-.eE") != std::string::npos) return text;
  std::int64_t integer = 0;
  if (whole_number(text, integer)) return integer;
  double real = 0;
  if (text.find_first_of("0123456789") != std::string::npos && whole_number(text, real) &&
      std::isfinite(real)) {
    return real;
  }
  return text;
}

class YamlReader {
 public:
  Result<Json> read(const YAML::Node& node, std::size_t depth) {
    if (depth > kMaxJsonDepth) return too_deep("YAML");
    if (++nodes_ > kMaxYamlNodes) {
      return malformed("YAML",
                       "it must not hold more than " + std::to_string(kMaxYamlNodes) + " values");
    }
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        return node.Tag() == "?" ? plain_scalar(node.Scalar()) : Json(node.Scalar());
      case YAML::NodeType::Sequence:
        return read_list(node, depth);
      case YAML::NodeType::Map:
        return read_map(node, depth);
      default:
        return Json(nullptr);
    }
  }

 private:
  Result<Json> read_list(const YAML::Node& node, std::size_t depth) {
    Json list = Json::array();
    for (const YAML::Node& item : node) {
      Result<Json> value = read(item, depth + 1);
      if (!value) return value;
      list.push_back(std::move(*value));
    }
    return list;
  }

  Result<Json> read_map(const YAML::Node& node, std::size_t depth) {
    Json map = Json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) return malformed("YAML", "every key must be text");
      const std::string& key = entry.first.Scalar();
      if (map.contains(key))
        return malformed("YAML", "the key \"" + shorten(key, 64) + "\" must appear only once");
      Result<Json> value = read(entry.second, depth + 1);
      if (!value) return value;
      map[key] = std::move(*value);
    }
    return map;
  }

  std::size_t nodes_ = 0;
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (nesting_depth(text) > kMaxJsonDepth) return too_deep("JSON");
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    // nlohmann puts its own identifier in front: "[json.exception.parse_error.101] parse error at
    // line 1, ...".
    const std::string what = e.what();
    const std::size_t start = what.find("] ");
    return malformed("JSON",
                     shorten(start == std::string::npos ? what : what.substr(start + 2), 256));
  }
}

Result<Json> parse_yaml(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return parse_json(text);
  if (!is_utf8(text)) return malformed("YAML", "it must be UTF-8");
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() != 1) {
      return malformed("YAML",
                       "it must hold one document, not " + std::to_string(documents.size()));
    }
    return YamlReader().read(documents.front(), 0);
  } catch (const YAML::Exception& e) {
    return malformed("YAML", shorten(e.what(), 256));
  }
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace oa
