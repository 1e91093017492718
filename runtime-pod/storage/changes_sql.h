// The statements of Changes, and the values that its two files share.
//
// Thread-safety: constants and plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/statements.h"

namespace oa::runtime {

// The statements, in the order of the list below.
enum class ChangeSql : std::size_t {
  kEpoch,
  kLastLog,
  kFindRow,
  kUpdateRow,
  kUpdateRowAndState,
  kAddBytes,
  kPutLargeState,
  kRemoveLargeState,
  kFindItem,
  kPutItem,
  kRemoveItem,
  kInsertLog,
  kInsertMark,
  kHasten,
  kDelayMarks,
  kSetRetention,
  kFindAgent,
  kUpdateAgent,
  kInsertAgent,
  kInsertRow,
  kRemoveAgent,
  kInsertGarbage,
  kRemoveRow,
  kPutAnchor,
  kCount,
};

inline constexpr std::array<const char*, static_cast<std::size_t>(ChangeSql::kCount)> kChangeSql = {
    "SELECT value FROM meta WHERE key = 'epoch'",
    "SELECT max(coalesce((SELECT max(id) FROM log), 0), (SELECT value FROM meta WHERE key = "
    "'log'))",
    "SELECT version, tick, bytes, ordinal, log, event, number, use_day, use_ticks, use_bytes, "
    "use_iterations, time, hash, log_total, event_total, audit_age, audit_bytes, event_age, "
    "event_bytes, state_bytes, namespace, name FROM state JOIN agent ON id = agent WHERE agent "
    "= ?1",
    "UPDATE state SET version = ?2, tick = ?3, bytes = ?4, ordinal = ?5, log = ?6, event = "
    "?7, number = ?8, use_day = ?9, use_ticks = ?10, use_bytes = ?11, use_iterations = ?12, "
    "time = ?13, hash = ?14, log_total = ?15, event_total = ?16 WHERE agent = ?1",
    "UPDATE state SET version = ?2, tick = ?3, bytes = ?4, ordinal = ?5, log = ?6, event = "
    "?7, number = ?8, use_day = ?9, use_ticks = ?10, use_bytes = ?11, use_iterations = ?12, "
    "time = ?13, hash = ?14, log_total = ?15, event_total = ?16, state_bytes = ?17, state = "
    "?18 WHERE agent = ?1",
    "UPDATE state SET bytes = bytes + ?2 WHERE agent = ?1",
    "INSERT OR REPLACE INTO large_state(agent, state) VALUES(?1, ?2)",
    "DELETE FROM large_state WHERE agent = ?1",
    "SELECT number, length(value) FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3",
    "INSERT OR REPLACE INTO item(agent, kind, key, number, due_class, due, content_type, "
    "value) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    "DELETE FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3",
    "INSERT INTO log(id, agent, prev, kind, tick, number, time, hash, record) VALUES(?1, ?2, "
    "?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    "INSERT INTO mark(agent, kind, id, total, due) VALUES(?1, ?2, ?3, ?4, ?5)",
    "UPDATE mark SET due = 0 WHERE agent = ?1 AND kind = ?2 AND id = (SELECT id FROM mark "
    "WHERE agent = ?1 AND kind = ?2 AND total <= ?3 ORDER BY id DESC LIMIT 1)",
    "UPDATE mark SET due = due + ?3 WHERE agent = ?1 AND kind = ?2",
    "UPDATE state SET audit_age = ?2, audit_bytes = ?3, event_age = ?4, event_bytes = ?5 "
    "WHERE agent = ?1",
    "SELECT id, created FROM agent WHERE namespace = ?1 AND name = ?2",
    "UPDATE agent SET uid = ?2, manifest = ?3 WHERE id = ?1",
    "INSERT INTO agent(namespace, name, uid, created, manifest) VALUES(?1, ?2, ?3, ?4, ?5) "
    "RETURNING id",
    "INSERT INTO state(agent, version, tick, bytes, ordinal, log, event, number, log_total, "
    "event_total, use_day, use_ticks, use_bytes, use_iterations, time, hash) VALUES(?1, 0, 0, "
    "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?2, zeroblob(32))",
    "DELETE FROM agent WHERE id = ?1",
    "INSERT INTO garbage SELECT agent, log, event FROM state WHERE agent = ?1",
    "DELETE FROM state WHERE agent = ?1",
    "INSERT INTO anchor(agent, number, time, hash) VALUES(?1, ?2, ?3, ?4)",
};

struct Changes::Plan {
  // Another agent that rows are written to.
  struct Other {
    AgentKey agent = 0;
    std::int64_t bytes = 0;  // what its rows grow by
  };

  AgentKey agent = 0;       // 0: one that does not exist yet
  std::int64_t number = 0;  // of a row that names none
  std::int64_t bytes = 0;   // what the agent's own rows grow by
  const ItemWrite* first = nullptr;
  bool replaced = false;  // something was there for the first row
  std::vector<Other> others;
  std::vector<const ItemWrite*> writes;  // but for those that were left out
};

Error over_limit(std::int64_t bytes, std::int64_t limit);

inline Applied refused(Error error) { return {Applied::Kind::kRefused, {}, {}, std::move(error)}; }
inline Applied failed(Error error) { return {Applied::Kind::kFailed, {}, {}, std::move(error)}; }

}  // namespace oa::runtime
