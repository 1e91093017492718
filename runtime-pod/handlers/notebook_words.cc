#include "runtime-pod/handlers/notebook_words.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/json.h"
#include "core/text.h"

namespace oa::runtime {
namespace {

std::optional<std::string> member(const Json& json, const char* name) {
  if (!json.is_object()) return std::nullopt;
  const auto found = json.find(name);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> last_message(const Json& json) {
  const auto messages = json.find("messages");
  if (messages == json.end() || !messages->is_array()) return std::nullopt;
  for (auto message = messages->rbegin(); message != messages->rend(); ++message) {
    if (member(*message, "role") == "user") return member(*message, "content");
  }
  return std::nullopt;
}

// Text that says something.
std::optional<std::string> text_in(const Json& json) {
  std::optional<std::string> text;
  if (json.is_string()) {
    text = json.get<std::string>();
  } else if (json.is_object()) {
    text = json.contains("messages") ? last_message(json) : member(json, "text");
  }
  if (text && text->find_first_not_of(" \t\r\n") == std::string::npos) text.reset();
  return text;
}

Result<Words> words_of_request(const Payload& payload) {
  const Json json = payload.as_json();
  if (json.is_object() && !json.contains("messages")) {
    for (const auto& [key, value] : json.items()) {
      if (key != "text") {
        return invalid_fields({{shorten(key, 64), "", "not be set: there is no such field"}});
      }
    }
  }
  if (json.is_string()) return Words{json.get<std::string>()};
  if (auto text = json.is_object() ? member(json, "text") : std::nullopt) {
    return Words{std::move(*text)};
  }
  if (auto text = json.is_object() ? last_message(json) : std::nullopt) {
    return Words{std::move(*text)};
  }
  return make_error(
      Code::kInvalidRequest,
      "the notebook must be sent text, or JSON such as {\"text\": \"remember milk\"}");
}

Words words_of_alarm(const Json& json) {
  const Json payload = json.is_object() ? json.value("payload", Json()) : Json();
  auto text = text_in(payload);
  if (const auto schedule = member(json, "schedule")) {
    return text ? Words{std::move(*text)} : Words{"schedule: " + *schedule, false};
  }
  return {"reminder: " + text.value_or(member(json, "name").value_or("")), false};
}

// "event", "com.example.sold"
Words note(std::string_view trigger, const Envelope& envelope, const Json& json) {
  std::string what = member(json, "type").value_or(member(json, "event").value_or(""));
  if (what.empty()) what = envelope.sender.empty() ? envelope.source : envelope.sender;
  std::string text(trigger);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return {what.empty() ? text : text + ": " + what, false};
}

}  // namespace

Result<Words> words_of(const Trigger& trigger) {
  const Payload& payload = trigger.envelope.payload;
  if (trigger.type == TriggerType::kRequest || trigger.type == TriggerType::kJob) {
    return words_of_request(payload);
  }
  const Json json = payload.as_json();
  if (trigger.type == TriggerType::kAlarm) return words_of_alarm(json);
  if (auto text = text_in(json)) return Words{std::move(*text)};
  return note(trigger_name(trigger.type), trigger.envelope, json);
}

}  // namespace oa::runtime
