#include "libs/net/message.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace oa::net {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_all_zero(std::string_view text) {
  return text.find_first_not_of('0') == std::string_view::npos;
}

Error bad_target(std::string_view target, const std::string& must) {
  // The target may hold anything at all: what is quoted of it is printable.
  std::string shown = shorten(target, 64);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c == 0x7f; }, '?');
  return make_error(Code::kInvalidRequest, "request target \"" + shown + "\" must " + must);
}

// Undoes percent-encoding; nothing if an escape is not two hex digits.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

// Decodes one piece of `target` and checks what holds for all of them.
Result<std::string> decode_piece(std::string_view target, std::string_view piece,
                                 bool plus_is_space) {
  std::optional<std::string> text = decode(piece, plus_is_space);
  if (!text) return bad_target(target, "have two hex digits after every %");
  if (text->find('\0') != std::string::npos) return bad_target(target, "not hold a NUL byte");
  if (!is_utf8(*text)) return bad_target(target, "be UTF-8 once its percent-encoding is undone");
  return *std::move(text);
}

// Takes the text up to `separator` off the front of `rest`, and the separator too.
std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return piece;
}

Result<void> parse_query(std::string_view target, std::string_view query, Target& parsed) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    if (value.empty()) continue;
    const std::string_view name = take_until(value, '=');
    Result<std::string> decoded_name = decode_piece(target, name, true);
    if (!decoded_name) return decoded_name.error();
    Result<std::string> decoded_value = decode_piece(target, value, true);
    if (!decoded_value) return decoded_value.error();
    parsed.query.emplace_back(*std::move(decoded_name), *std::move(decoded_value));
  }
  return {};
}

// "LIMIT_EXCEEDED" -> "limit-exceeded" or "Limit exceeded".
std::string code_words(Code code, char between) {
  std::string words = to_lower(code_name(code));
  std::replace(words.begin(), words.end(), '_', between);
  return words;
}

std::string problem_title(Code code) {
  std::string title = code_words(code, ' ');
  title[0] = static_cast<char>(title[0] - 'a' + 'A');
  return title;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

void Headers::set(std::string_view name, std::string value) {
  const auto is_named = [&](const Field& field) { return same_name(field.first, name); };
  const auto first = std::find_if(fields_.begin(), fields_.end(), is_named);
  if (first == fields_.end()) {
    add(std::string(name), std::move(value));
    return;
  }
  first->second = std::move(value);
  fields_.erase(std::remove_if(first + 1, fields_.end(), is_named), fields_.end());
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (same_name(field.first, name)) return field.second;
  }
  return std::nullopt;
}

std::string_view Headers::get(std::string_view name, std::string_view otherwise) const {
  return find(name).value_or(otherwise);
}

std::optional<std::string_view> Target::query_value(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

Result<Target> parse_target(std::string_view target) {
  if (!target.starts_with('/')) return bad_target(target, "start with /");
  for (char c : target) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '#') {
      return bad_target(target, "not hold spaces, control characters or # (percent-encode them)");
    }
  }
  Target parsed;
  std::string_view query = target;
  std::string_view path = take_until(query, '?');
  path.remove_prefix(1);
  while (!path.empty()) {
    Result<std::string> segment = decode_piece(target, take_until(path, '/'), false);
    if (!segment) return segment.error();
    if (segment->empty() || *segment == "." || *segment == "..") {
      return bad_target(target, "not have an empty, \".\" or \"..\" segment");
    }
    parsed.segments.push_back(*std::move(segment));
  }
  if (Result<void> read = parse_query(target, query, parsed); !read) return read.error();
  return parsed;
}

std::string media_type(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  const auto first = type.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return to_lower(type.substr(first, type.find_last_not_of(" \t") - first + 1));
}

Response json_response(int status, std::string body) {
  return {status, {{"Content-Type", "application/json"}}, std::move(body)};
}

Response problem_response(const Error& error, std::string_view trace_id) {
  const int status = http_status(error);
  nlohmann::ordered_json problem{
      {"type", "https://openagents.com/problems/" + code_words(error.code, '-')},
      {"title", problem_title(error.code)},
      {"status", status},
      {"code", code_name(error.code)},
  };
  if (!error.reason.empty()) problem["reason"] = error.reason;
  problem["detail"] = error.detail;
  problem["retryable"] = error.retryable;
  for (const FieldError& field : error.fields) {
    problem["errors"].push_back(
        nlohmann::ordered_json{{"path", field.path}, {"value", field.value}, {"must", field.must}});
  }
  if (!trace_id.empty()) problem["traceId"] = trace_id;

  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/problem+json");
  if (error.code == Code::kUnavailable || error.code == Code::kRateLimited) {
    response.headers.add("Retry-After", "1");
  }
  if (error.reason == "UpgradeRequired") {
    response.headers.add("Upgrade", "websocket");
    response.headers.add("Sec-WebSocket-Version", "13");
  }
  // Details quote foreign input, which need not be UTF-8.
  response.body = problem.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

std::optional<std::string> trace_id_of(std::string_view traceparent) {
  // version "-" trace-id "-" parent-id "-" flags; later versions may append "-" and more (W3C Trace
  // Context 3.2).
  constexpr std::size_t kLength = 55;
  if (traceparent.size() < kLength) return std::nullopt;
  const std::string_view version = traceparent.substr(0, 2);
  const std::string_view trace_id = traceparent.substr(3, 32);
  const std::string_view parent_id = traceparent.substr(36, 16);
  const std::string_view flags = traceparent.substr(53, 2);
  if (traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-')
    return std::nullopt;
  for (std::string_view part : {version, trace_id, parent_id, flags}) {
    if (!is_lower_hex(part)) return std::nullopt;
  }
  if (version == "ff" || is_all_zero(trace_id) || is_all_zero(parent_id)) return std::nullopt;
  if (traceparent.size() > kLength && (version == "00" || traceparent[kLength] != '-')) {
    return std::nullopt;
  }
  return std::string(trace_id);
}

}  // namespace oa::net
