// JSON and YAML text: what was taken is valid, no deeper than allowed, and the same when it is
// written and read.
#include "core/json.h"

#include "core/envelope.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

// The levels of compact text.
std::size_t depth_of(const std::string& text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    } else if (!in_string && (text[i] == '{' || text[i] == '[')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_string && (text[i] == '}' || text[i] == ']')) {
      --depth;
    }
  }
  return deepest;
}

void check(const Result<Json>& value) {
  if (!fuzz::accepted(value)) return;
  const std::string text = dump(*value);
  fuzz::require(is_utf8(text), "give text that is UTF-8");
  fuzz::require(depth_of(text) <= kMaxJsonDepth, "refuse what is nested too deep");
  const auto again = parse_json(text);
  fuzz::require(again.ok() && dump(*again) == text, "read what it writes");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check(parse_json(text));
  check(parse_yaml(text));
  for (const char* type : {"application/json", "text/plain", ""}) {
    const auto payload = read_payload(type, std::string(text));
    if (!fuzz::accepted(payload)) continue;
    fuzz::require(payload->kind == Payload::Kind::kJson || payload->data == text,
                  "keep a body as it came");
  }
  return 0;
}
