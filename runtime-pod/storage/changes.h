// Writes changes into the tables. Rules are checked before the first write of a change, so that a
// refused one leaves nothing behind while its transaction goes on with others.
//
// Thread-safety: belongs to the writer's thread, as its Database.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// What became of one change in an open transaction.
struct Applied {
  enum class Kind {
    kWritten,  // `committed` holds once the transaction commits
    kRefused,  // by a rule: `error`; nothing was written
    kFailed,   // by the database: `error`; the transaction must be rolled back
  };
  Kind kind = Kind::kWritten;
  Committed committed;
  Error error;
};

class Changes {
 public:
  static Result<Changes> prepare(sqlite::Database& db);

  // A transaction must be open.
  Applied apply(const Change& change);

  // The epoch in the database; this process may commit only while it is its own (I1).
  Result<std::int64_t> epoch();

  // Takes away some rows of deleted agents. True: there are more. A transaction must be open.
  Result<bool> sweep();

 private:
  Changes() = default;
  Applied apply_tick(const TickCommit& tick);
  Applied apply_put(const AgentPut& put);
  Applied apply_remove(const AgentRemove& remove);

  // The head of an agent and the size of its state; nothing if there is no such agent.
  struct Found {
    AgentHead head;
    std::int64_t state_bytes = 0;
  };
  Result<std::optional<Found>> find_head(AgentKey agent);
  Result<std::optional<KvEntry>> find_kv(AgentKey agent, const std::string& key);
  Result<void> write_kv(const TickCommit& tick);
  Result<void> write_log(const TickCommit& tick, AgentHead& head);
  Result<void> write_head(const TickCommit& tick, const AgentHead& head);
  Result<void> insert_agent(AgentRow& row);
  Result<bool> sweep_items(AgentKey agent);
  Result<bool> sweep_log(AgentKey agent);

  std::vector<sqlite::Statement> statements_;  // by the list in changes.cc
};

// The bytes that a change brings to disk, about: batches are bounded by it.
std::size_t weight(const Change& change);

}  // namespace oa::runtime
