#include "core/envelope.h"

#include <array>

#include "core/text.h"

namespace oa {
namespace {

bool is_json_type(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
  for (char& c : type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return type == "application/json" || type.ends_with("+json");
}

}  // namespace

Json Payload::as_json() const {
  switch (kind) {
    case Kind::kJson:
      return json;
    case Kind::kText:
      return data;
    case Kind::kBytes:
      break;
  }
  return nullptr;
}

Result<Payload> read_payload(std::string_view content_type, std::string body) {
  Payload payload;
  payload.content_type = std::string(content_type);
  if (is_json_type(content_type)) {
    auto parsed = parse_json(body);
    if (!parsed) return parsed.error();
    payload.kind = Payload::Kind::kJson;
    payload.json = std::move(*parsed);
    return payload;
  }
  payload.kind = is_utf8(body) ? Payload::Kind::kText : Payload::Kind::kBytes;
  payload.data = std::move(body);
  return payload;
}

std::string_view trigger_name(TriggerType type) {
  static constexpr std::array<std::string_view, 8> kNames{
      "Initialize", "Request", "Message", "Alarm", "Job", "Event", "Socket", "Manual"};
  return kNames[static_cast<std::size_t>(type)];
}

}  // namespace oa
