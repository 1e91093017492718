// What the database holds, as plain values.
//
// Thread-safety: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"

namespace oa::runtime {

// Which agent, by its row. Never given to another agent again, also after a deletion.
using AgentKey = std::int64_t;

inline constexpr std::size_t kMaxKvKeyBytes = 512;
inline constexpr std::size_t kMaxKvValueBytes = 2 * 1024 * 1024;

// What must hold for a write from outside (RFC 9110 section 13). A version of a key is the version
// of the commit that wrote it.
struct KvCondition {
  bool must_exist = false;  // NOT_FOUND otherwise
  bool must_be_absent = false;
  bool any_version = false;                           // some value must be there
  std::optional<std::vector<std::int64_t>> versions;  // one of these must be there
};

struct KvWrite {
  std::string key;
  std::optional<std::string> value;  // absent: delete
  std::string content_type;
  KvCondition condition;
};

struct KvValue {
  std::string value;
  std::string content_type;
  std::int64_t version = 0;
};

struct KvEntry {  // of a list
  std::string key;
  std::string content_type;
  std::int64_t bytes = 0;
  std::int64_t version = 0;
};

// An agent's identity and manifest.
struct AgentRow {
  AgentKey key = 0;
  AgentId id;
  std::string uid;
  Time created;
  std::string manifest;  // JSON
};

// What the last commit of an agent left behind.
struct AgentHead {
  std::int64_t version =
      0;                   // how many commits there were; each commit names the one it follows (I1)
  std::int64_t tick = 0;   // the highest tick number of a commit
  std::int64_t bytes = 0;  // of state, keys and values: what maxStorageBytes bounds
  std::int64_t log = 0;    // the newest record of the agent's log; 0: none
  Time time;               // of the last commit
};

struct StoredAgent {
  AgentRow row;
  AgentHead head;
  std::optional<std::string> state;  // JSON; absent: no tick has set one
};

// A record of an agent's log.
struct LogRecord {
  std::int64_t id = 0;
  std::int64_t tick = 0;
  Time time;
  std::string text;  // JSON
};

// Everything that one finished tick changes: all of it is committed, or nothing. No key is written
// twice.
struct TickCommit {
  AgentKey agent = 0;
  std::int64_t version = 0;  // of this commit: the head's + 1, or the store refuses it (I1)
  std::int64_t tick = 0;
  Time time;
  std::optional<std::string> state;  // JSON; absent: unchanged
  std::vector<KvWrite> kv;
  std::string record;  // JSON for the log
  std::int64_t max_storage_bytes = 0;
};

// Creates the agent, or gives an existing one of the same id another uid and manifest.
struct AgentPut {
  AgentRow row;  // `key` and `created` of an existing agent stay
};

// Deletes the agent. Its rows are swept away later, a few at a time.
struct AgentRemove {
  AgentKey key = 0;
};

// What a commit tells: the head after it.
struct Committed {
  AgentHead head;
  AgentRow row;           // of AgentPut
  bool replaced = false;  // of AgentPut, or of a tick's first kv write: something was there
};

using Change = std::variant<TickCommit, AgentPut, AgentRemove>;

}  // namespace oa::runtime
