// The tables of a shard, and the settings that every connection to it has.
//
// Layout, chosen for few pages per commit: one row of `state` per agent; one clustered table `item`
// by (agent, kind, key); one `log` that is only appended to and has no index, each record naming
// the agent's one before it (`prev`), the newest being named by `state`.
//
// Thread-safety: as the Database.
#pragma once

#include <span>

#include "core/result.h"
#include "libs/sqlite/database.h"
#include "libs/sqlite/migrations.h"

namespace oa::runtime {

enum ItemKind : std::int64_t { kItemKv = 1 };
enum LogKind : std::int64_t { kLogTick = 1 };

std::span<const sqlite::Migration> migrations();

// Sets up the connection that writes and brings the tables up to date.
Result<void> prepare_writer(sqlite::Database& db);
Result<void> prepare_reader(sqlite::Database& db);

// Raises the epoch for this process and returns it.
Result<std::int64_t> raise_epoch(sqlite::Database& db);

}  // namespace oa::runtime
