// The tables of a shard, and the settings that every connection to it has.
//
// Layout, chosen for few pages per commit:
// - `state`: one row per agent with its head and its state; there is one exactly while the agent
//   exists. A state over `kInlineStateBytes` is in `large_state`, so that commits that do not
//   change it do not write it again.
// - `item`, clustered by (agent, kind, key), with a partial index of the rows that have a time.
// - `log`: only appended to, without an index. An agent's records form two chains, of ticks and of
//   events: each names the one before it (`prev`), and `state` the newest of each.
// - `mark`: every so often a record of a chain, with the time at which it and what is before it are
//   trimmed. `anchor`: the newest tick record of an agent that was.
// - `garbage`: deleted agents whose rows are still to be taken away, with the ends of their chains.
//
//
// Thread-safety: as the Database.
#pragma once

#include <cstddef>
#include <span>

#include "core/result.h"
#include "libs/sqlite/database.h"
#include "libs/sqlite/migrations.h"

namespace oa::runtime {

inline constexpr std::size_t kInlineStateBytes = 2048;

std::span<const sqlite::Migration> migrations();

// Sets up the connection that writes and brings the tables up to date.
Result<void> prepare_writer(sqlite::Database& db);
Result<void> prepare_reader(sqlite::Database& db);

// Raises the epoch for this process and returns it.
Result<std::int64_t> raise_epoch(sqlite::Database& db);

}  // namespace oa::runtime
