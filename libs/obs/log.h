// Structured logs: one JSON object a line (or text for people) on stderr. The message is constant
// text; whatever varies goes into fields, so that logs can be searched by message.
//
//   log.info("agent created", {{"namespace", ns}, {"agent", name}});
//
// Thread-safety: loggers can be used from any thread; a line is written with one write call.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "core/clock.h"
#include "core/error.h"
#include "core/result.h"

namespace oa::obs {

enum class Level { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kJson, kText };

struct Field {
  using Value = std::variant<std::string, std::int64_t, double, bool>;

  Field(std::string_view field_name, std::string_view text)
      : name(field_name), value(std::string(text)) {}
  Field(std::string_view field_name, const char* text)
      : name(field_name), value(std::string(text)) {}
  Field(std::string_view field_name, const std::string& text) : name(field_name), value(text) {}
  Field(std::string_view field_name, const Error& error)
      : name(field_name), value(to_string(error)) {}
  template <typename T>
  requires std::is_arithmetic_v<T> Field(std::string_view field_name, T number)
      : name(field_name), value(convert(number)) {}

  std::string name;
  Value value;

 private:
  template <typename T>
  static Value convert(T number) {
    if constexpr (std::is_same_v<T, bool>)
      return number;
    else if constexpr (std::is_floating_point_v<T>)
      return static_cast<double>(number);
    else
      return static_cast<std::int64_t>(number);
  }
};

using Fields = std::initializer_list<Field>;

// Where lines go: stderr in programs, a vector in tests.
using Sink = std::function<void(std::string_view line)>;  // `line` ends in a newline

struct LogOptions {
  Level level = Level::kInfo;
  LogFormat format = LogFormat::kJson;
  Sink sink;  // empty: stderr
};

// A cheap handle; copies share the sink. Keys of a line in order: time, level, logger, msg, fields.
class Logger {
 public:
  Logger(std::string name, LogOptions options, const Clock& clock);

  Logger named(std::string name) const;  // same sink, other `logger`

  void debug(std::string_view message, Fields fields = {}) const {
    write(Level::kDebug, message, fields);
  }
  void info(std::string_view message, Fields fields = {}) const {
    write(Level::kInfo, message, fields);
  }
  void warn(std::string_view message, Fields fields = {}) const {
    write(Level::kWarn, message, fields);
  }
  void error(std::string_view message, Fields fields = {}) const {
    write(Level::kError, message, fields);
  }
  bool enabled(Level level) const;

 private:
  void write(Level level, std::string_view message, Fields fields) const;

  struct Shared;
  std::string name_;
  std::shared_ptr<const Shared> shared_;
};

// "debug" | "info" | "warn" | "error", "json" | "text"; INVALID_REQUEST names the value otherwise.
Result<Level> parse_level(std::string_view text);
Result<LogFormat> parse_log_format(std::string_view text);

}  // namespace oa::obs
