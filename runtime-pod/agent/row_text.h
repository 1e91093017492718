// The JSON of rows: written member by member, without a document in between, and read leniently.
//
// What has its default is left out, and what is left out (or null) is read as the default. Text is
// always UTF-8 on disk; members that may hold any bytes are base64 where they are not.
//
// Thread-safety: values; an object must not be shared between threads.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/result.h"

namespace oa::runtime {

// One object. Members that are objects are written by a function that gets the same writer.
class RowWriter {
 public:
  // Left out if empty. Bytes that are not UTF-8 are replaced.
  void text(std::string_view name, std::string_view value);
  // Left out if empty. Under `name` if it is UTF-8, else in base64 under `name` + "Base64".
  void bytes(std::string_view name, std::string_view value);
  void base64(std::string_view name, std::string_view value);  // also if empty
  void number(std::string_view name, std::int64_t value, std::int64_t otherwise = 0);
  void flag(std::string_view name, bool value);
  void time(std::string_view name, Time value) { number(name, value.time_since_epoch().count()); }
  void time(std::string_view name, const std::optional<Time>& value);  // also the epoch itself
  void json(std::string_view name, const Json& value);                 // left out if null
  void present_json(std::string_view name, const Json& value);         // also null
  void present_text(std::string_view name, std::string_view value);    // also if empty
  void texts(std::string_view name, const std::vector<std::string>& values);

  template <typename Write>
  void object(std::string_view name, Write write) {
    key(name);
    nested(write);
  }
  template <typename Values, typename Write>
  void objects(std::string_view name, const Values& values, Write write) {
    if (values.empty()) return;
    key(name);
    out_ += '[';
    for (const auto& value : values) {
      if (out_.back() != '[') out_ += ',';
      nested([&] { write(value); });
    }
    out_ += ']';
  }

  std::string finish() &&;

 private:
  void key(std::string_view name);
  void present_number(std::string_view name, std::int64_t value);
  void quoted(std::string_view value);

  template <typename Write>
  void nested(Write write) {
    out_ += '{';
    write();
    out_ += '}';
  }

  std::string out_ = "{";
};

// INTERNAL, reason Corrupt: "the inbox row ...".
Error corrupt_row(std::string_view row, std::string_view what);

// The object that the text of a row must be.
Result<Json> parse_row(std::string_view row, std::string_view text);

// Reads members, and remembers the first that is not what it must be. Values are moved out of the
// document, which must outlive the reader.
class RowReader {
 public:
  // `row`: its kind, for errors.
  RowReader(std::string_view row, Json& object) : row_(row), object_(object), first_(&own_) {}
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  bool has(const char* name) const;
  void text(const char* name, std::string& value);
  void bytes(const char* name, std::string& value);
  void base64(const char* name, std::string& value);
  void number(const char* name, std::int64_t& value);
  void number(const char* name, int& value);
  void flag(const char* name, bool& value);
  void time(const char* name, Time& value);
  void time(const char* name, std::optional<Time>& value);
  void duration(const char* name, Duration& value);
  void json(const char* name, Json& value);
  void texts(const char* name, std::vector<std::string>& values);

  // One of the names of an enumeration, which are in the order of its values.
  template <typename Enum, typename Names>
  void choice(const char* name, Enum& value, const Names& names) {
    std::string text;
    RowReader::text(name, text);
    if (text.empty()) return;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == text) {
        value = static_cast<Enum>(i);
        return;
      }
    }
    wrong(name, "be a name that this program knows");
  }

  template <typename Read>
  void object(const char* name, Read read) {
    if (Json* found = find(name)) inner(name, *found, read);
  }
  template <typename T, typename Read>
  void objects(const char* name, std::vector<T>& values, Read read) {
    Json* found = find(name);
    if (found == nullptr) return;
    if (!found->is_array()) return wrong(name, "be an array");
    for (Json& item : *found) {
      inner(name, item, [&](RowReader& in) { read(in, values.emplace_back()); });
    }
  }

  // What was wrong first, if anything was.
  const std::optional<Error>& fault() const { return *first_; }
  // `value`, unless something was wrong.
  template <typename T>
  Result<T> finish(T value) const {
    if (*first_) return **first_;
    return value;
  }

 private:
  RowReader(const RowReader& outer, const char* name, Json& object)
      : row_(outer.row_), path_(outer.path_ + name + "."), object_(object), first_(outer.first_) {}

  Json* find(const char* name) const;  // null if it is not there, or is null
  void wrong(std::string_view name, std::string_view must);

  template <typename Read>
  void inner(const char* name, Json& found, Read read) {
    if (!found.is_object()) return wrong(name, "be an object");
    RowReader in(*this, name, found);
    read(in);
  }

  const std::string_view row_;
  const std::string path_;  // of the object within the row: "trigger."
  Json& object_;
  std::optional<Error> own_;
  std::optional<Error>* const first_;  // the outermost reader's
};

}  // namespace oa::runtime
