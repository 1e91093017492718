// Short ways to make rows and commits.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime::test {

inline AgentPut put_agent(const std::string& name, std::string manifest = "{}") {
  return {
      {0, {"default", name}, "uid-" + name, Time(std::chrono::seconds(1000)), std::move(manifest)},
      {},
      {}};
}

inline AgentCommit tick(AgentKey agent, std::int64_t version, std::string state = {}) {
  AgentCommit commit{.agent = agent,
                     .version = version,
                     .tick = version,
                     .time = Time(std::chrono::seconds(2000)),
                     .record = R"({"tickId":"t"})",
                     .max_storage_bytes = 1'000'000};
  if (!state.empty()) commit.state = std::move(state);
  return commit;
}

inline ItemWrite put_item(ItemKind kind, std::string key, std::string value,
                          std::optional<Due> due = std::nullopt) {
  return {.kind = kind, .key = std::move(key), .value = std::move(value), .due = due};
}

inline ItemWrite put_key(std::string key, std::string value) {
  return {.key = std::move(key), .value = std::move(value), .content_type = "text/plain"};
}

inline ItemWrite delete_item(ItemKind kind, std::string key) {
  return {.kind = kind, .key = std::move(key)};
}

inline ItemWrite delete_key(std::string key) { return delete_item(ItemKind::kKv, std::move(key)); }

inline Due work_at(std::int64_t second) {
  return {Due::Class::kWork, Time(std::chrono::seconds(second))};
}

inline Due expiry_at(std::int64_t second) {
  return {Due::Class::kExpiry, Time(std::chrono::seconds(second))};
}

// A chain that a test can follow by eye: a hash holds the first byte of the one before it, the
// record's number and the length of its text.
inline Hash seal(const Hash& previous, std::string_view agent, const LogRecord& record) {
  Hash hash{};
  hash[0] = static_cast<unsigned char>(previous[0] + 1);
  hash[1] = static_cast<unsigned char>(record.number);
  hash[2] = static_cast<unsigned char>(record.text.size());
  hash[3] = static_cast<unsigned char>(agent.size());
  return hash;
}

}  // namespace oa::runtime::test
