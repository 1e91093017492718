#include "libs/kube/api_error.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace oa::kube {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDetail = 1024;

Code code_of(int status) {
  switch (status) {
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kUnauthorized;
    case 404:
      return Code::kNotFound;
    case 409:
    case 410:
      return Code::kConflict;
    case 408:
    case 504:
      return Code::kTimeout;
    case 429:
      return Code::kRateLimited;
    default:
      return status >= 500 ? Code::kUnavailable : Code::kInvalidRequest;
  }
}

// What old servers and proxies leave out.
std::string default_reason(int status) {
  switch (status) {
    case 405:
      return "MethodNotAllowed";
    case 410:
      return std::string(reason::kExpired);
    case 413:
      return "PayloadTooLarge";
    case 415:
      return "UnsupportedMediaType";
    default:
      return {};
  }
}

std::string text(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool version_too_large(const Json& status) {
  const auto details = status.find("details");
  if (details == status.end() || !details->is_object()) return false;
  const auto causes = details->find("causes");
  if (causes == details->end() || !causes->is_array()) return false;
  return std::any_of(causes->begin(), causes->end(), [](const Json& cause) {
    return cause.is_object() && text(cause, "reason") == reason::kVersionTooLarge;
  });
}

Error from_status(const Json& status, int code) {
  std::string reason = text(status, "reason");
  if (version_too_large(status)) reason = reason::kVersionTooLarge;
  if (reason.empty() || reason == "Gone") reason = default_reason(code);
  std::string message = text(status, "message");
  if (message.empty()) message = "the API server answered " + std::to_string(code);
  return make_error(code_of(code), std::move(reason), shorten(message, kMaxDetail));
}

}  // namespace

Error cancelled() {
  return make_error(Code::kUnavailable, std::string(reason::kCancelled), "the call was cancelled");
}

Error decode_error(int status, std::string_view body, std::string_view method,
                   std::string_view path) {
  const Json document = Json::parse(body, nullptr, false);
  Error error;
  if (document.is_object() && text(document, "kind") == "Status") {
    error = from_status(document, status);
  } else {
    std::string detail = "the API server answered " + std::to_string(status);
    if (!body.empty()) detail += ": " + shorten(body, kMaxDetail);
    error = make_error(code_of(status), default_reason(status), std::move(detail));
  }
  error.detail = std::string(method) + " " + std::string(path) + ": " + error.detail;
  return error;
}

Error decode_status(const nlohmann::json& status) {
  if (!status.is_object()) return from_status(Json::object(), 500);
  const auto code = status.find("code");
  return from_status(status,
                     code != status.end() && code->is_number_integer() ? code->get<int>() : 500);
}

Duration retry_after(const Headers& headers) {
  const std::string_view value = header(headers, "Retry-After");
  int seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 0) return {};
  return std::chrono::seconds(seconds);
}

}  // namespace oa::kube
