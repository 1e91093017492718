#include "runtime-pod/http/intake.h"

#include <charconv>
#include <utility>
#include <vector>

#include "core/text.h"
#include "core/wire.h"

namespace oa::runtime {
namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Calls `take` with each part between separators, without the space around it.
template <typename Take>
void split(std::string_view text, char separator, Take take) {
  for (;;) {
    const std::size_t end = std::min(text.find(separator), text.size());
    take(trimmed(text.substr(0, end)));
    if (end == text.size()) return;
    text.remove_prefix(end + 1);
  }
}

void read_preference(std::string_view text, Preferences& preferences) {
  // Parameters follow a semicolon.
  text = trimmed(text.substr(0, text.find(';')));
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string_view name = trimmed(text.substr(0, equals));
  if (net::same_name(name, "respond-async")) preferences.respond_async = true;
  if (!net::same_name(name, "wait") || equals == text.size() || preferences.wait) return;
  std::string_view value = trimmed(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  constexpr std::int64_t kMost = 1'000'000;
  const auto seconds = number_in(value);
  if (seconds && *seconds >= 0 && *seconds <= kMost) {
    preferences.wait = std::chrono::seconds(*seconds);
  }
}

}  // namespace

Result<Intake> read_intake(Call& call) {
  std::vector<FieldError> errors;
  Intake intake{.agent = call.agent,
                .verb = call.request.method + " " + std::string(call.match.route->path),
                .sender = std::string(call.header(wire::kHeaderSender)),
                .envelope_id = std::string(call.header(wire::kHeaderEnvelopeId)),
                .idempotency_key = std::string(call.header(wire::kHeaderIdempotencyKey)),
                .content_type = std::string(call.header("Content-Type"))};
  if (!call.trace_id.empty()) intake.traceparent = call.header("traceparent");
  for (const std::string_view name :
       {wire::kHeaderSender, wire::kHeaderEnvelopeId, wire::kHeaderIdempotencyKey}) {
    const auto value = call.request.headers.find(name);
    if (value && value->empty()) errors.push_back({std::string(name), "\"\"", "not be empty"});
  }
  if (const auto text = call.request.headers.find(wire::kHeaderSeq)) {
    intake.seq = number_in(*text);
    if (!intake.seq) {
      errors.push_back({std::string(wire::kHeaderSeq), "\"" + shorten(*text, 64) + "\"",
                        "be a whole number of at least 1"});
    }
  }
  if (const auto text = call.request.headers.find(wire::kHeaderExpiresAt)) {
    const auto time = parse_time(*text);
    if (time) {
      intake.expires_at = *time;
    } else {
      errors.push_back({std::string(wire::kHeaderExpiresAt), "\"" + shorten(*text, 64) + "\"",
                        "be an RFC 3339 time such as 2026-11-21T08:00:00Z"});
    }
  }
  if (!errors.empty()) return invalid_fields(std::move(errors));
  intake.body = std::move(call.request.body);
  return intake;
}

std::optional<Duration> Preferences::patience() const {
  if (wait) return wait;
  if (respond_async) return Duration::zero();
  return std::nullopt;
}

std::string Preferences::applied() const {
  std::string text;
  if (respond_async) text = "respond-async";
  if (!wait) return text;
  if (!text.empty()) text += ", ";
  return text + "wait=" + std::to_string(wait->count() / 1'000'000);
}

Preferences read_preferences(const net::Headers& headers) {
  Preferences preferences;
  for (const auto& [name, value] : headers.fields()) {
    if (!net::same_name(name, "Prefer")) continue;
    split(value, ',', [&](std::string_view part) { read_preference(part, preferences); });
  }
  return preferences;
}

bool accepts(std::string_view accept, std::string_view type) {
  bool found = false;
  split(accept, ',',
        [&](std::string_view part) { found = found || net::media_type(part) == type; });
  return found;
}

}  // namespace oa::runtime
