#include "runtime-pod/http/etag.h"

#include <charconv>

#include "core/text.h"

namespace oa::runtime {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The version of one of our ETags for this agent; nothing for any other text.
std::optional<std::int64_t> version_of(AgentKey agent, std::string_view etag) {
  const std::string prefix = "\"" + std::to_string(agent) + "-";
  if (!etag.starts_with(prefix)) return std::nullopt;
  std::int64_t version = 0;
  std::from_chars(etag.data() + prefix.size(), etag.data() + etag.size(), version);
  // A version has one text: "7-042" is not what was given out for 42.
  if (make_etag(agent, version) != etag) return std::nullopt;
  return version;
}

}  // namespace

std::string make_etag(AgentKey agent, std::int64_t version) {
  return "\"" + std::to_string(agent) + "-" + std::to_string(version) + "\"";
}

Result<ItemCondition> read_condition(AgentKey agent, std::string_view if_match,
                                     std::string_view if_none_match) {
  ItemCondition condition;
  if_none_match = trimmed(if_none_match);
  if (!if_none_match.empty() && if_none_match != "*") {
    return invalid_fields({{"If-None-Match", shorten(if_none_match, 64), "be *"}});
  }
  condition.must_be_absent = if_none_match == "*";
  if_match = trimmed(if_match);
  if (if_match == "*") {
    condition.any_version = true;
  } else if (!if_match.empty()) {
    condition.versions.emplace();
    while (!if_match.empty()) {
      const std::size_t comma = std::min(if_match.find(','), if_match.size());
      if (const auto version = version_of(agent, trimmed(if_match.substr(0, comma)))) {
        condition.versions->push_back(*version);
      }
      if_match.remove_prefix(std::min(comma + 1, if_match.size()));
    }
  }
  return condition;
}

}  // namespace oa::runtime
