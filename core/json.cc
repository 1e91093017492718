#include "core/json.h"

#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "core/text.h"

namespace oa {
namespace {

constexpr std::size_t kMaxYamlNodes = 100'000;
constexpr std::size_t kMaxYamlBytes = 16 * 1024 * 1024;  // of all texts and keys

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

const std::string kTooDeep =
    "it must not be nested deeper than " + std::to_string(kMaxJsonDepth) + " levels";

template <typename Number>
bool whole_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  if (text.starts_with("+-")) return false;
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

// Builds the value of one document from the parser's events. Throws YAML::ParserException, which
// names the place, for what this product does not accept; parse_yaml turns every exception into an
// Error.
class YamlBuilder : public YAML::EventHandler {
 public:
  Json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, nullptr, {1, 0});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (wants_key()) {
      set_key(mark, text);
    } else {
      add(mark, anchor, tag == "?" ? plain_scalar(text) : Json(text), {1, text.size()});
    }
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw YAML::ParserException(mark, "an alias must not stand inside of what it names");
    count(mark, found->second.extent);
    add(mark, 0, found->second.value, {});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, Json::array());
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, anchor, Json::object());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Extent {
    std::size_t nodes = 0;
    std::size_t bytes = 0;  // of texts and keys
  };
  struct Open {
    YAML::Mark mark;
    YAML::anchor_t anchor;
    Extent before;
    Json value;
    std::optional<std::string> key;  // of an object: the key whose value comes next
  };
  struct Anchored {
    Json value;
    Extent extent;
  };

  bool wants_key() const {
    return !open_.empty() && open_.back().value.is_object() && !open_.back().key;
  }

  // Before what it counts is copied.
  void count(const YAML::Mark& mark, const Extent& more) {
    extent_.nodes += more.nodes;
    extent_.bytes += more.bytes;
    if (extent_.nodes > kMaxYamlNodes) {
      throw YAML::ParserException(
          mark, "it must not hold more than " + std::to_string(kMaxYamlNodes) + " values");
    }
    if (extent_.bytes > kMaxYamlBytes) {
      throw YAML::ParserException(
          mark, "its texts must not be longer than " + std::to_string(kMaxYamlBytes) + " bytes");
    }
  }

  void set_key(const YAML::Mark& mark, const std::string& text) {
    if (open_.back().value.contains(text)) {
      throw YAML::ParserException(mark,
                                  "the key \"" + shorten(text, 64) + "\" must appear only once");
    }
    count(mark, {0, text.size()});
    open_.back().key = text;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Json empty) {
    if (wants_key()) throw YAML::ParserException(mark, "every key must be text");
    if (open_.size() >= kMaxJsonDepth) throw YAML::ParserException(mark, kTooDeep);
    const Extent before = extent_;
    count(mark, {1, 0});
    open_.push_back({mark, anchor, before, std::move(empty), std::nullopt});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) {
      anchors_[done.anchor] = {
          done.value, {extent_.nodes - done.before.nodes, extent_.bytes - done.before.bytes}};
    }
    add(done.mark, 0, std::move(done.value), {});
  }

  void add(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, const Extent& extent) {
    if (wants_key()) throw YAML::ParserException(mark, "every key must be text");
    count(mark, extent);
    if (anchor != 0) anchors_[anchor] = {value, extent};
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().value.is_array()) {
      open_.back().value.push_back(std::move(value));
    } else {
      open_.back().value[*open_.back().key] = std::move(value);
      open_.back().key.reset();
    }
  }

  Json root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Extent extent_;
};

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (nesting_depth(text) > kMaxJsonDepth) return malformed("JSON", kTooDeep);
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
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    YamlBuilder first_document;
    if (!parser.HandleNextDocument(first_document))
      return malformed("YAML", "it must hold a document");
    YamlBuilder second_document;
    // YAML::LoadAll would go on for ever on some malformed texts, of which the parser never gets to
    // the end.
    if (parser.HandleNextDocument(second_document))
      return malformed("YAML", "it must hold only one document");
    return first_document.take();
  } catch (const YAML::Exception& e) {
    return malformed("YAML", shorten(e.what(), 256));
  }
}

std::string dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace oa
