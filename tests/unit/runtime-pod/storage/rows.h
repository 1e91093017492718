// Short ways to make rows and commits.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "runtime-pod/storage/records.h"

namespace oa::runtime::test {

inline AgentPut put_agent(const std::string& name, std::string manifest = "{}") {
  return {
      {0, {"default", name}, "uid-" + name, Time(std::chrono::seconds(1000)), std::move(manifest)}};
}

inline TickCommit tick(AgentKey agent, std::int64_t version, std::string state = {}) {
  TickCommit commit{.agent = agent,
                    .version = version,
                    .tick = version,
                    .time = Time(std::chrono::seconds(2000)),
                    .record = R"({"tickId":"t"})",
                    .max_storage_bytes = 1'000'000};
  if (!state.empty()) commit.state = std::move(state);
  return commit;
}

inline KvWrite put_key(std::string key, std::string value) {
  return {std::move(key), std::move(value), "text/plain", {}};
}

inline KvWrite delete_key(std::string key) { return {std::move(key), std::nullopt, "", {}}; }

}  // namespace oa::runtime::test
