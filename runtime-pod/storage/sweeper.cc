#include "runtime-pod/storage/sweeper.h"

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace oa::runtime {
namespace {

// Rows that are taken away at a time, so that no commit waits long behind them.
constexpr std::int64_t kRows = 128;

}  // namespace

enum class SweepSql : std::size_t {
  kFindGarbage,
  kSweepItems,
  kSweepMarks,
  kKeepLastLog,
  kRemoveLog,
  kSetGarbage,
  kRemoveAnchor,
  kRemoveGarbage,
  kFindExpired,
  kRemoveItem,
  kAddBytes,
  kFindMark,
  kFindEnds,
  kFindPrevious,
  kPutAnchor,
  kRemoveMarks,
  kInsertMark,
  kCount,
};

namespace {

using Sql = SweepSql;

constexpr std::array<const char*, static_cast<std::size_t>(Sql::kCount)> kSql = {
    "SELECT agent, log, event FROM garbage LIMIT 1",
    "DELETE FROM item WHERE (agent, kind, key) IN (SELECT agent, kind, key FROM item WHERE agent = "
    "?1 LIMIT ?2)",
    "DELETE FROM mark WHERE (agent, kind, id) IN (SELECT agent, kind, id FROM mark WHERE agent = "
    "?1 LIMIT ?2)",
    "UPDATE meta SET value = (SELECT max(id) FROM log) WHERE key = 'log' AND value < (SELECT "
    "max(id) FROM log)",
    "DELETE FROM log WHERE id = ?1 RETURNING prev",
    "UPDATE garbage SET log = ?2, event = ?3 WHERE agent = ?1",
    "DELETE FROM anchor WHERE agent = ?1",
    "DELETE FROM garbage WHERE agent = ?1",
    "SELECT agent, kind, key, length(value) FROM item INDEXED BY item_due WHERE due_class = 1 AND "
    "due <= ?1 LIMIT ?2",
    "DELETE FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3",
    "UPDATE state SET bytes = bytes + ?2 WHERE agent = ?1",
    "SELECT agent, kind, id FROM mark WHERE due <= ?1 ORDER BY due LIMIT 1",
    "SELECT log, event FROM state WHERE agent = ?1",
    "SELECT prev FROM log WHERE id = ?1",
    "INSERT INTO anchor SELECT agent, number, time, hash FROM log WHERE id = ?1 ON CONFLICT(agent) "
    "DO UPDATE SET number = excluded.number, time = excluded.time, hash = excluded.hash WHERE "
    "excluded.number > number",
    "DELETE FROM mark WHERE agent = ?1 AND kind = ?2 AND id <= ?3",
    "INSERT INTO mark VALUES(?1, ?2, ?3, 0, 0)",
};

}  // namespace

Result<Sweeper> Sweeper::prepare(sqlite::Database& db) {
  Sweeper sweeper(db);
  auto statements = Statements<Sql>::prepare(db, kSql);
  if (!statements) return statements.error();
  sweeper.sql_ = std::move(*statements);
  return sweeper;
}

Result<bool> Sweeper::sweep(Time now) {
  const auto garbage = sweep_garbage();
  if (!garbage) return garbage;
  const auto expired = expire(now);
  if (!expired) return expired;
  const auto trimmed = trim(now);
  if (!trimmed) return trimmed;
  return *garbage || *expired || *trimmed;
}

Result<bool> Sweeper::sweep_garbage() {
  AgentKey agent = 0;
  std::int64_t log = 0;
  std::int64_t event = 0;
  {
    Use find(sql_[Sql::kFindGarbage]);
    auto row = find->step();
    if (!row) return row.error();
    if (!*row) return false;
    agent = find->integer(0);
    log = find->integer(1);
    event = find->integer(2);
  }
  for (const Sql sql : {Sql::kSweepItems, Sql::kSweepMarks}) {
    if (auto done = sql_[sql].bind(1, agent).bind(2, kRows).run(); !done) return done.error();
    if (db_->changes() > 0) return true;
  }
  std::int64_t rows = kRows;
  for (std::int64_t* newest : {&log, &event}) {
    const auto rest = remove_chain(*newest, rows);
    if (!rest) return rest.error();
    *newest = *rest;
  }
  if (log != 0 || event != 0) {
    auto done = sql_[Sql::kSetGarbage].bind(1, agent).bind(2, log).bind(3, event).run();
    if (!done) return done.error();
    return true;
  }
  for (const Sql sql : {Sql::kRemoveAnchor, Sql::kRemoveGarbage}) {
    if (auto done = sql_[sql].bind(1, agent).run(); !done) return done.error();
  }
  return true;
}

// Takes at most `rows` records away, from `newest` on, and counts them off. Returns the next one of
// the chain; 0: there is none.
Result<std::int64_t> Sweeper::remove_chain(std::int64_t newest, std::int64_t& rows) {
  // Ids of records are never used again, also not when the highest one is gone.
  if (auto done = sql_[Sql::kKeepLastLog].run(); !done) return done.error();
  for (; newest != 0 && rows > 0; --rows) {
    Use remove(sql_[Sql::kRemoveLog]);
    auto row = remove->bind(1, newest).step();
    if (!row) return row.error();
    newest = *row ? remove->integer(0) : 0;  // what is missing was trimmed, with all before it
    if (auto done = remove->run(); !done) return done.error();
  }
  return newest;
}

Result<bool> Sweeper::expire(Time now) {
  struct Expired {
    AgentKey agent;
    std::int64_t kind;
    std::string key;
  };
  std::vector<Expired> rows;
  std::map<AgentKey, std::int64_t> bytes;
  {
    Use find(sql_[Sql::kFindExpired]);
    find->bind(1, micros(now)).bind(2, kRows);
    for (;;) {
      auto row = find->step();
      if (!row) return row.error();
      if (!*row) break;
      rows.push_back({find->integer(0), find->integer(1), std::string(find->text(2))});
      if (!counts_as_storage(static_cast<ItemKind>(rows.back().kind))) continue;
      const auto key_bytes = static_cast<std::int64_t>(rows.back().key.size());
      bytes[rows.back().agent] += key_bytes + find->integer(3);
    }
  }
  for (const Expired& row : rows) {
    sqlite::Statement& remove = sql_[Sql::kRemoveItem];
    auto done = remove.bind(1, row.agent).bind(2, row.kind).bind_static(3, row.key).run();
    if (!done) return done.error();
  }
  for (const auto& [agent, freed] : bytes) {
    if (auto done = sql_[Sql::kAddBytes].bind(1, agent).bind(2, -freed).run(); !done) {
      return done.error();
    }
  }
  return !rows.empty();
}

Result<bool> Sweeper::trim(Time now) {
  Use find(sql_[Sql::kFindMark]);
  auto row = find->bind(1, micros(now)).step();
  if (!row) return row.error();
  if (!*row) return false;
  const AgentKey agent = find->integer(0);
  const std::int64_t kind = find->integer(1);
  const std::int64_t id = find->integer(2);
  find->reset();
  if (auto done = trim_chain(agent, kind, id); !done) return done.error();
  return true;
}

// Takes the record `id` and all before it away; but the newest record of a chain stays, for `state`
// names it.
Result<void> Sweeper::trim_chain(AgentKey agent, std::int64_t kind, std::int64_t id) {
  std::int64_t newest = 0;
  {
    Use find(sql_[Sql::kFindEnds]);
    auto row = find->bind(1, agent).step();
    if (!row) return row.error();
    if (*row) newest = find->integer(kind == number_of(LogKind::kTick) ? 0 : 1);
  }
  sqlite::Statement& remove = sql_[Sql::kRemoveMarks];
  if (auto done = remove.bind(1, agent).bind(2, kind).bind(3, id).run(); !done) return done;
  if (newest == 0) return {};  // the agent is deleted, and its records are taken away as such
  if (id == newest) {
    Use find(sql_[Sql::kFindPrevious]);
    auto row = find->bind(1, id).step();
    if (!row) return row.error();
    id = *row ? find->integer(0) : 0;
  }
  if (kind == number_of(LogKind::kTick)) {
    if (auto done = sql_[Sql::kPutAnchor].bind(1, id).run(); !done) return done;
  }
  std::int64_t rows = 16 * kRows;
  const auto rest = remove_chain(id, rows);
  if (!rest) return rest.error();
  if (*rest == 0) return {};
  return sql_[Sql::kInsertMark].bind(1, agent).bind(2, kind).bind(3, *rest).run();
}

}  // namespace oa::runtime
