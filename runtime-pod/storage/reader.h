// What is committed, read by connections of its own: they see whole commits, and wait for none.
// Every call is one short transaction over at most 10,001 rows or about 4 MiB of values. Lists have
// a connection of their own, so that a long one does not hold up a look at one row.
//
// Thread-safety: can be used from any thread; calls take turns. They may wait for the disk, so not
// on an I/O thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

inline constexpr int kMaxListLimit = 1000;
inline constexpr std::int64_t kMaxListBytes = 4 * 1024 * 1024;  // a page ends with what crosses it
inline constexpr int kMaxFeedRecords = 10'000;

// Part of a list, and where to go on if there is more.
template <typename Item, typename Cursor>
struct Page {
  std::vector<Item> items;
  std::optional<Cursor> next;
};

enum class Values { kLeaveOut, kInclude };

// What an agent's log has behind a given record.
struct Feed {
  std::vector<LogRecord> records;  // oldest first
  bool more = false;               // there are newer ones than these
  // Set if something behind the given record is gone, by its age or number: the record from which
  // on nothing is. `records` then begins with it.
  std::optional<std::int64_t> oldest;
};

class Reader {
 public:
  // `vfs`: SQLite's; null: the system's.
  static Result<Reader> open(const std::string& path, const char* vfs = nullptr);
  Reader(Reader&&) noexcept;
  ~Reader();

  // Nothing if there is no such agent.
  Result<std::optional<StoredAgent>> find_agent(const AgentId& id);
  Result<std::optional<StoredAgent>> find_agent(AgentKey agent);
  // By name, after `after`.
  Result<Page<AgentRow, std::string>> list_agents(const std::string& namespace_name,
                                                  const std::string& after, int limit);

  Result<std::optional<Item>> get_item(AgentKey agent, ItemKind kind, const std::string& key);
  // By key, in order of bytes, after `after`.
  Result<Page<Item, std::string>> list_items(AgentKey agent, ItemKind kind,
                                             const std::string& prefix, const std::string& after,
                                             int limit, Values values);

  // Records of one kind, newest first, from the record `from` on. A `from` that is not such a
  // record of the agent is NOT_FOUND.
  Result<Page<LogRecord, std::int64_t>> list_log(AgentKey agent, std::int64_t from, int limit,
                                                 LogKind kind = LogKind::kTick);
  // Tick and event records with an id above `after`; none if there is no such agent.
  Result<Feed> read_feed(AgentKey agent, std::int64_t after, int limit);
  // Nothing if nothing was trimmed.
  Result<std::optional<LogAnchor>> find_anchor(AgentKey agent);

  // Rows of living agents whose time is at most `up_to`, in their order, behind `after`.
  Result<std::vector<DueRow>> due_rows(Due::Class what, const std::optional<DueRow>& after,
                                       Time up_to, int limit);
  // The earliest time of class kWork, of all agents or of one.
  Result<std::optional<Time>> next_due();
  Result<std::optional<Time>> next_due(AgentKey agent);

  // Ends what is being read at this moment: UNAVAILABLE, reason Interrupted, for whoever waits.
  void interrupt();

 private:
  struct Connection;
  Reader(std::unique_ptr<Connection> rows, std::unique_ptr<Connection> lists);
  Result<Feed> read_feed_in_transaction(AgentKey agent, std::int64_t after, int limit);
  Result<std::vector<std::int64_t>> walk_back(AgentKey agent, std::int64_t after,
                                              std::optional<std::int64_t>& oldest);

  std::unique_ptr<Connection> rows_;
  std::unique_ptr<Connection> lists_;
};

}  // namespace oa::runtime
