#include "runtime-pod/storage/changes.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "runtime-pod/storage/schema.h"

namespace oa::runtime {
namespace {

// Rows that one sweep takes away, so that no commit waits long behind it.
constexpr std::int64_t kSweepRows = 128;

constexpr std::size_t kRowOverhead = 64;

// The statements, in the order of the list below.
enum Sql : std::size_t {
  kEpoch,
  kFindHead,
  kFindItem,
  kPutItem,
  kRemoveItem,
  kInsertLog,
  kUpdateHead,
  kUpdateState,
  kFindAgent,
  kUpdateAgent,
  kInsertAgent,
  kInsertState,
  kRemoveAgent,
  kInsertGarbage,
  kFindGarbage,
  kSweepItems,
  kRemoveLog,
  kSetLog,
  kRemoveState,
  kRemoveGarbage,
};

struct SqlRow {
  Sql id;
  const char* text;
};

constexpr std::array<SqlRow, kRemoveGarbage + 1> kSql = {{
    {kEpoch, "SELECT value FROM meta WHERE key = 'epoch'"},
    {kFindHead,
     "SELECT version, tick, bytes, log, time, length(state) FROM state WHERE agent = ?1"},
    {kFindItem,
     "SELECT version, length(value) FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3"},
    {kPutItem,
     "INSERT INTO item(agent, kind, key, version, content_type, value) VALUES(?1, ?2, ?3, ?4, ?5, "
     "?6) ON CONFLICT(agent, kind, key) DO UPDATE SET version = excluded.version, content_type = "
     "excluded.content_type, value = excluded.value"},
    {kRemoveItem, "DELETE FROM item WHERE agent = ?1 AND kind = ?2 AND key = ?3"},
    {kInsertLog,
     "INSERT INTO log(agent, prev, kind, tick, time, record) VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
     "RETURNING id"},
    {kUpdateHead,
     "UPDATE state SET version = ?2, tick = ?3, bytes = ?4, log = ?5, time = ?6 WHERE agent = ?1"},
    {kUpdateState,
     "UPDATE state SET version = ?2, tick = ?3, bytes = ?4, log = ?5, time = ?6, state = ?7 WHERE "
     "agent = ?1"},
    {kFindAgent, "SELECT id, created FROM agent WHERE namespace = ?1 AND name = ?2"},
    {kUpdateAgent, "UPDATE agent SET uid = ?2, manifest = ?3 WHERE id = ?1"},
    {kInsertAgent,
     "INSERT INTO agent(namespace, name, uid, created, manifest) VALUES(?1, ?2, ?3, ?4, ?5) "
     "RETURNING id"},
    {kInsertState,
     "INSERT INTO state(agent, version, tick, bytes, log, time) VALUES(?1, 0, 0, 0, 0, ?2)"},
    {kRemoveAgent, "DELETE FROM agent WHERE id = ?1 RETURNING id"},
    {kInsertGarbage, "INSERT INTO garbage(agent) VALUES(?1)"},
    {kFindGarbage, "SELECT agent FROM garbage LIMIT 1"},
    {kSweepItems,
     "DELETE FROM item WHERE (agent, kind, key) IN (SELECT agent, kind, key FROM item WHERE agent "
     "= ?1 LIMIT ?2) RETURNING kind"},
    {kRemoveLog, "DELETE FROM log WHERE id = ?1 RETURNING prev"},
    {kSetLog, "UPDATE state SET log = ?2 WHERE agent = ?1"},
    {kRemoveState, "DELETE FROM state WHERE agent = ?1"},
    {kRemoveGarbage, "DELETE FROM garbage WHERE agent = ?1"},
}};

std::int64_t micros(Time time) { return time.time_since_epoch().count(); }
Time from_micros(std::int64_t count) { return Time(Duration(count)); }

Applied refused(Error error) { return {Applied::Kind::kRefused, {}, std::move(error)}; }
Applied failed(Error error) { return {Applied::Kind::kFailed, {}, std::move(error)}; }
Applied written(Committed committed) { return {Applied::Kind::kWritten, std::move(committed), {}}; }

std::optional<Error> broken_condition(const KvWrite& write, const std::optional<KvEntry>& found) {
  const KvCondition& condition = write.condition;
  if (condition.must_be_absent && found) {
    return make_error(Code::kConflict, "PreconditionFailed",
                      "key \"" + write.key + "\" must not exist (If-None-Match: *) but does");
  }
  if (condition.any_version && !found) {
    return make_error(Code::kConflict, "PreconditionFailed",
                      "key \"" + write.key + "\" must exist (If-Match: *) but does not");
  }
  if (condition.versions) {
    const auto& versions = *condition.versions;
    if (!found || std::find(versions.begin(), versions.end(), found->version) == versions.end()) {
      return make_error(Code::kConflict, "PreconditionFailed",
                        "key \"" + write.key + "\" must have one of the ETags of If-Match but " +
                            (found ? "has another" : "does not exist"));
    }
  }
  if (condition.must_exist && !found) {
    return make_error(Code::kNotFound, "key \"" + write.key + "\" does not exist");
  }
  return std::nullopt;
}

std::int64_t stored_bytes(const KvWrite& write) {
  return write.value ? static_cast<std::int64_t>(write.key.size() + write.value->size()) : 0;
}

Error over_limit(std::int64_t bytes, std::int64_t limit) {
  return make_error(Code::kLimitExceeded, "StorageLimit",
                    "state and keys would take " + std::to_string(bytes) +
                        " bytes but must take at most spec.config.maxStorageBytes, " +
                        std::to_string(limit));
}

}  // namespace

std::size_t weight(const Change& change) {
  if (const auto* put = std::get_if<AgentPut>(&change)) {
    return kRowOverhead + put->row.manifest.size();
  }
  const auto* tick = std::get_if<TickCommit>(&change);
  if (tick == nullptr) return kRowOverhead;
  std::size_t bytes = kRowOverhead + tick->record.size();
  if (tick->state) bytes += tick->state->size();
  for (const KvWrite& write : tick->kv) {
    bytes += kRowOverhead + write.key.size() + (write.value ? write.value->size() : 0);
  }
  return bytes;
}

Result<Changes> Changes::prepare(sqlite::Database& db) {
  Changes changes;
  for (const SqlRow& row : kSql) {
    if (row.id != changes.statements_.size()) std::abort();  // the list is out of order
    auto statement = db.prepare(row.text);
    if (!statement) return statement.error();
    changes.statements_.push_back(std::move(*statement));
  }
  return changes;
}

Result<std::int64_t> Changes::epoch() {
  sqlite::Statement& query = statements_[kEpoch];
  auto row = query.step();
  if (!row) return row.error();
  if (!*row) return make_error(Code::kInternal, "Corrupt", "the database must have an epoch");
  const std::int64_t epoch = query.integer(0);
  query.reset();
  return epoch;
}

Applied Changes::apply(const Change& change) {
  if (const auto* tick = std::get_if<TickCommit>(&change)) return apply_tick(*tick);
  if (const auto* put = std::get_if<AgentPut>(&change)) return apply_put(*put);
  return apply_remove(std::get<AgentRemove>(change));
}

Applied Changes::apply_tick(const TickCommit& tick) {
  const auto found = find_head(tick.agent);
  if (!found) return failed(found.error());
  if (!*found) return refused(make_error(Code::kNotFound, "the agent does not exist any more"));
  const AgentHead& before = (*found)->head;
  if (tick.version != before.version + 1) {
    return refused(make_error(Code::kInternal, "Fenced",
                              "commit " + std::to_string(tick.version) + " must follow commit " +
                                  std::to_string(tick.version - 1) + " but the last one is " +
                                  std::to_string(before.version)));
  }
  Committed committed;
  std::int64_t bytes = before.bytes;
  if (tick.state) bytes += static_cast<std::int64_t>(tick.state->size()) - (*found)->state_bytes;
  for (const KvWrite& write : tick.kv) {
    const auto old = find_kv(tick.agent, write.key);
    if (!old) return failed(old.error());
    if (auto error = broken_condition(write, *old)) return refused(std::move(*error));
    if (*old) bytes -= static_cast<std::int64_t>(write.key.size()) + (*old)->bytes;
    bytes += stored_bytes(write);
    if (&write == &tick.kv.front()) committed.replaced = old->has_value();
  }
  // What makes the agent smaller is always let through, also when the limit was lowered below it.
  if (bytes > tick.max_storage_bytes && bytes > before.bytes) {
    return refused(over_limit(bytes, tick.max_storage_bytes));
  }
  AgentHead& head = committed.head;
  head = {tick.version, std::max(before.tick, tick.tick), bytes, before.log, tick.time};
  if (auto done = write_kv(tick); !done) return failed(done.error());
  if (auto done = write_log(tick, head); !done) return failed(done.error());
  if (auto done = write_head(tick, head); !done) return failed(done.error());
  return written(std::move(committed));
}

Result<std::optional<Changes::Found>> Changes::find_head(AgentKey agent) {
  sqlite::Statement& query = statements_[kFindHead];
  auto row = query.bind(1, agent).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Found>();
  Found found;
  found.head = {query.integer(0), query.integer(1), query.integer(2), query.integer(3),
                from_micros(query.integer(4))};
  found.state_bytes = query.integer(5);
  query.reset();
  return std::optional<Found>(found);
}

Result<std::optional<KvEntry>> Changes::find_kv(AgentKey agent, const std::string& key) {
  sqlite::Statement& query = statements_[kFindItem];
  auto row = query.bind(1, agent).bind(2, kItemKv).bind(3, key).step();
  if (!row) return row.error();
  if (!*row) return std::optional<KvEntry>();
  KvEntry entry;
  entry.version = query.integer(0);
  entry.bytes = query.integer(1);
  query.reset();
  return std::optional<KvEntry>(std::move(entry));
}

Result<void> Changes::write_kv(const TickCommit& tick) {
  for (const KvWrite& write : tick.kv) {
    sqlite::Statement& sql = statements_[write.value ? kPutItem : kRemoveItem];
    sql.bind(1, tick.agent).bind(2, kItemKv).bind(3, write.key);
    if (write.value) {
      sql.bind(4, tick.version).bind(5, write.content_type).bind_blob(6, *write.value);
    }
    if (auto done = sql.run(); !done) return done;
  }
  return {};
}

Result<void> Changes::write_log(const TickCommit& tick, AgentHead& head) {
  sqlite::Statement& insert = statements_[kInsertLog];
  insert.bind(1, tick.agent).bind(2, head.log).bind(3, kLogTick).bind(4, tick.tick);
  auto row = insert.bind(5, micros(tick.time)).bind(6, tick.record).step();
  if (!row) return row.error();
  head.log = insert.integer(0);
  return insert.run();
}

Result<void> Changes::write_head(const TickCommit& tick, const AgentHead& head) {
  sqlite::Statement& update = statements_[tick.state ? kUpdateState : kUpdateHead];
  update.bind(1, tick.agent).bind(2, head.version).bind(3, head.tick).bind(4, head.bytes);
  update.bind(5, head.log).bind(6, micros(head.time));
  if (tick.state) update.bind_blob(7, *tick.state);
  return update.run();
}

Applied Changes::apply_put(const AgentPut& put) {
  Committed committed;
  committed.row = put.row;
  sqlite::Statement& find = statements_[kFindAgent];
  auto found = find.bind(1, put.row.id.namespace_name).bind(2, put.row.id.name).step();
  if (!found) return failed(found.error());
  committed.replaced = *found;
  if (!*found) {
    if (auto done = insert_agent(committed.row); !done) return failed(done.error());
    committed.head.time = committed.row.created;
    return written(std::move(committed));
  }
  committed.row.key = find.integer(0);
  committed.row.created = from_micros(find.integer(1));
  find.reset();
  sqlite::Statement& update = statements_[kUpdateAgent];
  update.bind(1, committed.row.key).bind(2, put.row.uid).bind(3, put.row.manifest);
  if (auto done = update.run(); !done) return failed(done.error());
  const auto head = find_head(committed.row.key);
  if (!head) return failed(head.error());
  if (*head) committed.head = (*head)->head;
  return written(std::move(committed));
}

Result<void> Changes::insert_agent(AgentRow& row) {
  sqlite::Statement& insert = statements_[kInsertAgent];
  insert.bind(1, row.id.namespace_name).bind(2, row.id.name).bind(3, row.uid);
  auto inserted = insert.bind(4, micros(row.created)).bind(5, row.manifest).step();
  if (!inserted) return inserted.error();
  row.key = insert.integer(0);
  if (auto done = insert.run(); !done) return done;
  return statements_[kInsertState].bind(1, row.key).bind(2, micros(row.created)).run();
}

Applied Changes::apply_remove(const AgentRemove& remove) {
  sqlite::Statement& gone = statements_[kRemoveAgent];
  auto row = gone.bind(1, remove.key).step();
  if (!row) return failed(row.error());
  if (!*row) return refused(make_error(Code::kNotFound, "the agent does not exist"));
  if (auto done = gone.run(); !done) return failed(done.error());
  if (auto done = statements_[kInsertGarbage].bind(1, remove.key).run(); !done) {
    return failed(done.error());
  }
  return written({});
}

Result<bool> Changes::sweep() {
  sqlite::Statement& find = statements_[kFindGarbage];
  auto row = find.step();
  if (!row) return row.error();
  if (!*row) return false;
  const AgentKey agent = find.integer(0);
  find.reset();
  auto more = sweep_items(agent);
  if (!more || *more) return more;
  more = sweep_log(agent);
  if (!more || *more) return more;
  for (const Sql id : {kRemoveState, kRemoveGarbage}) {
    if (auto done = statements_[id].bind(1, agent).run(); !done) return done.error();
  }
  return true;
}

Result<bool> Changes::sweep_items(AgentKey agent) {
  std::int64_t rows = 0;
  sqlite::Statement& remove = statements_[kSweepItems];
  remove.bind(1, agent).bind(2, kSweepRows);
  for (;;) {
    auto row = remove.step();
    if (!row) return row.error();
    if (!*row) return rows == kSweepRows;
    ++rows;
  }
}

Result<bool> Changes::sweep_log(AgentKey agent) {
  const auto found = find_head(agent);
  if (!found) return found.error();
  std::int64_t id = *found ? (*found)->head.log : 0;
  for (std::int64_t rows = 0; rows < kSweepRows && id != 0; ++rows) {
    sqlite::Statement& remove = statements_[kRemoveLog];
    auto row = remove.bind(1, id).step();
    if (!row) return row.error();
    id = *row ? remove.integer(0) : 0;
    if (auto done = remove.run(); !done) return done.error();
  }
  if (auto done = statements_[kSetLog].bind(1, agent).bind(2, id).run(); !done) {
    return done.error();
  }
  return id != 0;
}

}  // namespace oa::runtime
