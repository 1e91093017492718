#include "runtime-pod/storage/changes.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "runtime-pod/storage/changes_sql.h"
#include "runtime-pod/storage/schema.h"

namespace oa::runtime {
namespace {

using Sql = ChangeSql;

constexpr std::size_t kRowOverhead = 64;

// How finely a log is trimmed: records are marked whenever so many bytes have been added to their
// chain, and whenever so much of the age has gone by since the commit before.
constexpr std::int64_t kMarkBytes = 64 * 1024;
constexpr std::int64_t kMarksPerAge = 16;

std::int64_t size_of(const std::string& text) { return static_cast<std::int64_t>(text.size()); }

Error fenced(std::int64_t version, std::int64_t last) {
  return make_error(Code::kInternal, "Fenced",
                    "commit " + std::to_string(version) + " must follow commit " +
                        std::to_string(version - 1) + " but the last one is " +
                        std::to_string(last));
}

}  // namespace

Error over_limit(std::int64_t bytes, std::int64_t limit) {
  return make_error(Code::kLimitExceeded, "StorageLimit",
                    "state and keys would take " + std::to_string(bytes) +
                        " bytes but must take at most spec.config.maxStorageBytes, " +
                        std::to_string(limit));
}

std::size_t weight(const Change& change) {
  std::size_t bytes = kRowOverhead;
  const auto add_items = [&bytes](const std::vector<ItemWrite>& items) {
    for (const ItemWrite& write : items) {
      bytes += kRowOverhead + write.key.size() + (write.value ? write.value->size() : 0);
    }
  };
  if (const auto* put = std::get_if<AgentPut>(&change)) {
    bytes += put->row.manifest.size();
    add_items(put->items);
  } else if (const auto* commit = std::get_if<AgentCommit>(&change)) {
    bytes += commit->record.size() + commit->events.size();
    if (commit->state) bytes += commit->state->size();
    add_items(commit->items);
  } else if (const auto* restore = std::get_if<AgentRestore>(&change)) {
    if (restore->state) bytes += restore->state->size();
    for (const LogRecord& record : restore->records) bytes += kRowOverhead + record.text.size();
    add_items(restore->items);
  }
  return bytes;
}

Result<Changes> Changes::prepare(sqlite::Database& db, Seal seal) {
  Changes changes(std::move(seal));
  auto statements = Statements<Sql>::prepare(db, kChangeSql);
  if (!statements) return statements.error();
  changes.sql_ = std::move(*statements);
  Use query(changes.sql_[Sql::kLastLog]);
  auto row = query->step();
  if (!row) return row.error();
  changes.last_log_ = query->integer(0);
  return changes;
}

Result<std::int64_t> Changes::epoch() {
  Use query(sql_[Sql::kEpoch]);
  auto row = query->step();
  if (!row) return row.error();
  if (!*row) return make_error(Code::kInternal, "Corrupt", "the database must have an epoch");
  return query->integer(0);
}

Applied Changes::apply(const Change& change) {
  if (const auto* commit = std::get_if<AgentCommit>(&change)) return apply_commit(*commit);
  if (const auto* put = std::get_if<AgentPut>(&change)) return apply_put(*put);
  if (const auto* restore = std::get_if<AgentRestore>(&change)) return apply_restore(*restore);
  return apply_remove(std::get<AgentRemove>(change));
}

Applied Changes::apply_commit(const AgentCommit& commit) {
  if (commit.state && !commit.version) std::abort();  // only what is in order changes the state
  const auto found = find_row(commit.agent);
  if (!found) return failed(found.error());
  if (!*found) return refused(make_error(Code::kNotFound, "the agent does not exist any more"));
  const Row& before = **found;
  if (commit.version && *commit.version != before.head.version + 1) {
    return refused(fenced(*commit.version, before.head.version));
  }
  Plan plan;
  plan.agent = commit.agent;
  plan.number = commit.version.value_or(before.head.version);
  if (commit.state) plan.bytes = size_of(*commit.state) - before.state_bytes.value_or(0);
  if (auto refusal = make_plan(commit.items, plan)) return std::move(*refusal);

  Row after = before;
  AgentHead& head = after.head;
  head.bytes += plan.bytes;
  // What makes the agent smaller is always let through, also when the limit was lowered below it.
  if (commit.max_storage_bytes && head.bytes > *commit.max_storage_bytes && plan.bytes > 0) {
    return refused(over_limit(head.bytes, *commit.max_storage_bytes));
  }
  head.tick = std::max(head.tick, commit.tick);
  head.ordinal = std::max(head.ordinal, commit.ordinal);
  if (commit.use) head.use = *commit.use;

  Applied applied;
  applied.committed.replaced = plan.replaced;
  if (auto done = carry_out(plan, applied.due); !done) return failed(done.error());
  if (auto done = write_logs(commit, after); !done) return failed(done.error());
  if (commit.version) {
    head.version = *commit.version;
    head.time = commit.time;
  }
  if (auto done = write_row(commit, before, after); !done) return failed(done.error());
  applied.committed.head = head;
  return applied;
}

Result<std::optional<Changes::Row>> Changes::find_row(AgentKey agent) {
  Use query(sql_[Sql::kFindRow]);
  auto found = query->bind(1, agent).step();
  if (!found) return found.error();
  if (!*found) return std::optional<Row>();
  Row row;
  row.name.append(query->text(20)).append("/").append(query->text(21));
  row.head = read_head(*query, 0);
  row.log_total = query->integer(13);
  row.event_total = query->integer(14);
  if (!query->is_null(15)) {
    row.retention = {Duration(query->integer(15)), query->integer(16), Duration(query->integer(17)),
                     query->integer(18)};
  }
  if (!query->is_null(19)) row.state_bytes = query->integer(19);
  return std::optional<Row>(std::move(row));
}

Result<void> Changes::write_logs(const AgentCommit& commit, Row& row) {
  AgentHead& head = row.head;
  if (!commit.record.empty()) {
    LogRecord record{++last_log_, LogKind::kTick, commit.tick, head.number + 1,
                     commit.time, commit.record,  {}};
    record.hash = seal_(head.hash, row.name, record);
    if (auto done = write_log(commit.agent, head.log, record); !done) return done;
    row.log_total += size_of(record.text);
    if (auto done = write_mark(commit.agent, record, row.log_total, row); !done) return done;
    head.log = record.id;
    head.number = record.number;
    head.hash = record.hash;
  }
  if (!commit.events.empty()) {
    const LogRecord record{++last_log_, LogKind::kEvent, commit.tick, 0,
                           commit.time, commit.events,   {}};
    if (auto done = write_log(commit.agent, head.event, record); !done) return done;
    row.event_total += size_of(record.text);
    if (auto done = write_mark(commit.agent, record, row.event_total, row); !done) return done;
    head.event = record.id;
  }
  return {};
}

Result<void> Changes::write_log(AgentKey agent, std::int64_t previous, const LogRecord& record) {
  sqlite::Statement& insert = sql_[Sql::kInsertLog];
  insert.bind(1, record.id).bind(2, agent).bind(3, previous).bind(4, number_of(record.kind));
  insert.bind(5, record.tick).bind(6, record.number).bind(7, micros(record.time));
  if (record.kind == LogKind::kTick) insert.bind_static_blob(8, bytes_of(record.hash));
  return insert.bind_static(9, record.text).run();
}

// `total`: the bytes of the record's chain, with it.
Result<void> Changes::write_mark(AgentKey agent, const LogRecord& record, std::int64_t total,
                                 const Row& row) {
  if (!row.retention) return {};
  const bool is_tick = record.kind == LogKind::kTick;
  const Duration age = is_tick ? row.retention->audit_age : row.retention->event_age;
  const std::int64_t most = is_tick ? row.retention->audit_bytes : row.retention->event_bytes;
  const std::int64_t period = std::max<std::int64_t>(age.count() / kMarksPerAge, 1);
  const bool long_enough = total / kMarkBytes != (total - size_of(record.text)) / kMarkBytes;
  const bool late_enough = micros(record.time) / period != micros(row.head.time) / period;
  if (!long_enough && !late_enough) return {};
  sqlite::Statement& insert = sql_[Sql::kInsertMark];
  insert.bind(1, agent).bind(2, number_of(record.kind)).bind(3, record.id).bind(4, total);
  if (auto done = insert.bind(5, micros(record.time + age)).run(); !done) return done;
  if (total <= most) return {};
  sqlite::Statement& hasten = sql_[Sql::kHasten];
  return hasten.bind(1, agent).bind(2, number_of(record.kind)).bind(3, total - most).run();
}

Result<void> Changes::write_row(const AgentCommit& commit, const Row& before, const Row& after) {
  const AgentHead& head = after.head;
  const bool unchanged = !commit.version && commit.record.empty() && commit.events.empty() &&
                         !commit.use && head.bytes == before.head.bytes &&
                         head.tick == before.head.tick && head.ordinal == before.head.ordinal;
  if (unchanged) return {};
  sqlite::Statement& update = sql_[commit.state ? Sql::kUpdateRowAndState : Sql::kUpdateRow];
  update.bind(1, commit.agent).bind(2, head.version).bind(3, head.tick).bind(4, head.bytes);
  update.bind(5, head.ordinal).bind(6, head.log).bind(7, head.event).bind(8, head.number);
  update.bind(9, head.use.day).bind(10, head.use.ticks).bind(11, head.use.bytes);
  update.bind(12, head.use.iterations).bind(13, micros(head.time));
  update.bind_static_blob(14, bytes_of(head.hash));
  update.bind(15, after.log_total).bind(16, after.event_total);
  if (!commit.state) return update.run();

  const bool was_large =
      before.state_bytes.value_or(0) > static_cast<std::int64_t>(kInlineStateBytes);
  const bool is_large = commit.state->size() > kInlineStateBytes;
  update.bind(17, size_of(*commit.state));
  if (!is_large) update.bind_static_blob(18, *commit.state);
  if (auto done = update.run(); !done) return done;
  if (is_large) {
    return sql_[Sql::kPutLargeState].bind(1, commit.agent).bind_static_blob(2, *commit.state).run();
  }
  return was_large ? sql_[Sql::kRemoveLargeState].bind(1, commit.agent).run() : Result<void>();
}

Applied Changes::apply_put(const AgentPut& put) {
  Applied applied;
  Committed& committed = applied.committed;
  committed.row = put.row;
  committed.row.key = 0;
  committed.head.time = put.row.created;
  std::optional<RetentionConfig> retention;
  {
    Use find(sql_[Sql::kFindAgent]);
    auto found = find->bind(1, put.row.id.namespace_name).bind(2, put.row.id.name).step();
    if (!found) return failed(found.error());
    committed.replaced = *found;
    if (*found) {
      committed.row.key = find->integer(0);
      committed.row.created = from_micros(find->integer(1));
    }
  }
  if (committed.replaced) {
    const auto row = find_row(committed.row.key);
    if (!row) return failed(row.error());
    if (!*row) return failed(make_error(Code::kInternal, "Corrupt", "an agent must have a state"));
    committed.head = (*row)->head;
    retention = (*row)->retention;
  }
  Plan plan;
  plan.agent = committed.row.key;
  plan.number = committed.head.version;
  if (auto refusal = make_plan(put.items, plan)) return std::move(*refusal);

  auto done = committed.replaced ? update_agent(committed.row) : insert_agent(committed.row);
  if (!done) return failed(done.error());
  plan.agent = committed.row.key;
  committed.head.bytes += plan.bytes;
  if (plan.bytes != 0) plan.others.push_back({plan.agent, plan.bytes});
  if (done = carry_out(plan, applied.due); !done) return failed(done.error());
  if (put.retention) {
    done = set_retention(plan.agent, *put.retention, retention);
    if (!done) return failed(done.error());
  }
  return applied;
}

Result<void> Changes::insert_agent(AgentRow& row) {
  {
    Use insert(sql_[Sql::kInsertAgent]);
    insert->bind(1, row.id.namespace_name).bind(2, row.id.name).bind(3, row.uid);
    auto inserted = insert->bind(4, micros(row.created)).bind(5, row.manifest).step();
    if (!inserted) return inserted.error();
    row.key = insert->integer(0);
    if (auto done = insert->run(); !done) return done;
  }
  return sql_[Sql::kInsertRow].bind(1, row.key).bind(2, micros(row.created)).run();
}

Result<void> Changes::update_agent(const AgentRow& row) {
  sqlite::Statement& update = sql_[Sql::kUpdateAgent];
  return update.bind(1, row.key).bind(2, row.uid).bind(3, row.manifest).run();
}

Result<void> Changes::set_retention(AgentKey agent, const RetentionConfig& retention,
                                    const std::optional<RetentionConfig>& before) {
  if (before == retention) return {};
  sqlite::Statement& set = sql_[Sql::kSetRetention];
  set.bind(1, agent).bind(2, retention.audit_age.count()).bind(3, retention.audit_bytes);
  set.bind(4, retention.event_age.count()).bind(5, retention.event_bytes);
  auto done = set.run();
  if (!done || !before) return done;
  // Marks hold times, not ages.
  const auto delay = [&](LogKind kind, Duration by) {
    sqlite::Statement& marks = sql_[Sql::kDelayMarks];
    return marks.bind(1, agent).bind(2, number_of(kind)).bind(3, by.count()).run();
  };
  done = delay(LogKind::kTick, retention.audit_age - before->audit_age);
  if (!done) return done;
  return delay(LogKind::kEvent, retention.event_age - before->event_age);
}

Applied Changes::apply_remove(const AgentRemove& remove) {
  const auto row = find_row(remove.key);
  if (!row) return failed(row.error());
  if (!*row) return refused(make_error(Code::kNotFound, "the agent does not exist"));
  for (const Sql sql :
       {Sql::kInsertGarbage, Sql::kRemoveLargeState, Sql::kRemoveRow, Sql::kRemoveAgent}) {
    if (auto done = sql_[sql].bind(1, remove.key).run(); !done) return failed(done.error());
  }
  return {};
}

}  // namespace oa::runtime
