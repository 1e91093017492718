#include "libs/obs/log.h"

#include <cerrno>
#include <mutex>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"

namespace oa::obs {
namespace {

constexpr std::string_view kLevelNames[] = {"debug", "info", "warn", "error"};
constexpr std::string_view kLevelColumns[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

// A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_value(const Field::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return json_string(*text);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return nlohmann::json(std::get<double>(value)).dump();  // infinities and NaN become null
}

bool is_plain(std::string_view text) {
  for (unsigned char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return !text.empty();
}

std::string text_value(const Field::Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && is_plain(*text) ? *text : json_value(value);
}

// The text itself, or with JSON's escapes when it would break the line.
std::string one_line(std::string_view text) {
  std::string line = json_string(text);
  return line.substr(1, line.size() - 2);
}

std::string json_line(Time time, Level level, const std::string& logger, std::string_view message,
                      Fields fields) {
  std::string line = "{\"time\":\"" + format_time_millis(time) + "\",\"level\":\"";
  line += kLevelNames[static_cast<int>(level)];
  line += "\",\"logger\":" + json_string(logger) + ",\"msg\":" + json_string(message);
  for (const Field& field : fields) {
    line += "," + json_string(field.name) + ":" + json_value(field.value);
  }
  line += "}\n";
  return line;
}

std::string text_line(Time time, Level level, const std::string& logger, std::string_view message,
                      Fields fields) {
  std::string line = format_time_millis(time) + " ";
  line += kLevelColumns[static_cast<int>(level)];
  line += " " + logger + " " + one_line(message);
  for (const Field& field : fields) line += " " + field.name + "=" + text_value(field.value);
  line += "\n";
  return line;
}

// One write for the whole line, so that lines of several processes on one pipe do not mix (up to
// PIPE_BUF bytes). A line that cannot be written is lost: there is nowhere left to say so.
void write_to_stderr(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

struct Logger::Shared {
  LogOptions options;
  const Clock& clock;
  mutable std::mutex sink_mutex;  // a sink of the caller's need not be thread-safe
};

Logger::Logger(std::string name, LogOptions options, const Clock& clock)
    : name_(std::move(name)), shared_(new Shared{std::move(options), clock, {}}) {}

Logger Logger::named(std::string name) const {
  Logger other = *this;
  other.name_ = std::move(name);
  return other;
}

bool Logger::enabled(Level level) const { return level >= shared_->options.level; }

void Logger::write(Level level, std::string_view message, Fields fields) const {
  if (!enabled(level)) return;
  const int saved_errno = errno;
  try {
    const auto format = shared_->options.format == LogFormat::kJson ? json_line : text_line;
    const std::string line = format(shared_->clock.now(), level, name_, message, fields);
    if (shared_->options.sink) {
      std::lock_guard lock(shared_->sink_mutex);
      shared_->options.sink(line);
    } else {
      write_to_stderr(line);
    }
  } catch (...) {
    // Out of memory, or a sink that throws. Logging never fails its caller.
  }
  errno = saved_errno;
}

Result<Level> parse_level(std::string_view text) {
  for (int i = 0; i < 4; ++i) {
    if (text == kLevelNames[i]) return static_cast<Level>(i);
  }
  return make_error(Code::kInvalidRequest, "log level is \"" + shorten(text, 64) +
                                               "\" but must be debug, info, warn or error");
}

Result<LogFormat> parse_log_format(std::string_view text) {
  if (text == "json") return LogFormat::kJson;
  if (text == "text") return LogFormat::kText;
  return make_error(Code::kInvalidRequest,
                    "log format is \"" + shorten(text, 64) + "\" but must be json or text");
}

}  // namespace oa::obs
