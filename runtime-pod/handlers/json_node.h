// Reads foreign JSON member by member and gathers everything that is wrong with it, so that the
// code that reads is straight and the one who sent it sees all faults at once.
//
// Every reading gives a value, if need be an empty one: what was read counts only if there are no
// errors at the end. Null counts as absent.
//
// Thread-safety: none. The value and the list of errors must outlive the node and its children.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/json.h"
#include "core/result.h"

namespace oa::runtime {

class JsonNode {
 public:
  // `path`: where `value` stands; empty for the root.
  JsonNode(const Json& value, std::string path, std::vector<FieldError>& errors)
      : value_(&value), path_(std::move(path)), errors_(&errors) {}

  bool has(std::string_view member) const { return find(member) != nullptr; }
  std::vector<std::string> names() const;  // of all members, sorted

  // Those without `otherwise` must be there.
  std::string text(std::string_view member) const;
  std::string text(std::string_view member, std::string_view otherwise) const;
  std::string bytes(std::string_view member) const;  // sent as base64
  std::int64_t number(std::string_view member, std::int64_t otherwise) const;
  bool flag(std::string_view member, bool otherwise) const;
  Duration duration(std::string_view member, Duration otherwise) const;
  Time time(std::string_view member) const;
  Json any(std::string_view member) const;  // null if absent
  // As it stands, also null; nullptr if absent.
  const Json* raw(std::string_view member) const;
  // Nothing if absent or no object.
  std::optional<JsonNode> object(std::string_view member) const;
  // Each item of a list of at most `most`; of objects, unless it is read by `own_text`.
  void each(std::string_view member, std::size_t most,
            const std::function<void(const JsonNode& item)>& read) const;
  std::string own_text() const;  // the value itself, which must be text

  // Notes that the value, or a member of it, must be otherwise.
  void fail(std::string must, std::string_view member = {}) const;
  void check(const Result<void>& good, std::string_view member = {}) const;

 private:
  const Json* find(std::string_view member) const;
  std::string path_of(std::string_view member) const;

  const Json* value_;
  std::string path_;
  std::vector<FieldError>* errors_;
};

}  // namespace oa::runtime
