// What is committed, read by a connection of its own: it sees whole commits, and waits for none.
// Every call is one short transaction over at most 1,001 rows.
//
// Thread-safety: can be used from any thread; calls take turns. They may wait for the disk, so not
// on an I/O thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

inline constexpr int kMaxListLimit = 1000;

// Part of a list, and where to go on if there is more.
template <typename Item, typename Cursor>
struct Page {
  std::vector<Item> items;
  std::optional<Cursor> next;
};

class Reader {
 public:
  static Result<Reader> open(sqlite::Database db);
  Reader(Reader&& other) noexcept;

  // Nothing if there is no such agent.
  Result<std::optional<StoredAgent>> find_agent(const AgentId& id);
  // By name, after `after`.
  Result<Page<AgentRow, std::string>> list_agents(const std::string& namespace_name,
                                                  const std::string& after, int limit);

  Result<std::optional<KvValue>> get_kv(AgentKey agent, const std::string& key);
  // By key, in order of bytes, after `after`.
  Result<Page<KvEntry, std::string>> list_kv(AgentKey agent, const std::string& prefix,
                                             const std::string& after, int limit);
  // Newest first, from the record `from` on. A `from` that is not the agent's is NOT_FOUND.
  Result<Page<LogRecord, std::int64_t>> list_log(AgentKey agent, std::int64_t from, int limit);

 private:
  explicit Reader(sqlite::Database db) : db_(std::move(db)) {}

  std::mutex mutex_;
  sqlite::Database db_;                        // by mutex_
  std::vector<sqlite::Statement> statements_;  // by mutex_; by the list in reader.cc
};

}  // namespace oa::runtime
