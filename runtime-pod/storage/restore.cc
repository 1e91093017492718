// An agent that comes from an archive.
#include <utility>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/changes_sql.h"

namespace oa::runtime {
namespace {

using Sql = ChangeSql;

bool is_untouched(const AgentHead& head) {
  return head.version == 0 && head.ordinal == 0 && head.log == 0 && head.event == 0;
}

Error already_there(const AgentId& id) {
  return make_error(Code::kConflict, "AlreadyExists",
                    "agent " + to_string(id) +
                        " must not exist, or nothing may have happened to it yet, for an archive "
                        "to become it");
}

}  // namespace

Applied Changes::apply_restore(const AgentRestore& restore) {
  Applied applied;
  Committed& committed = applied.committed;
  committed.row = restore.row;
  committed.row.key = 0;
  {
    Use find(sql_[Sql::kFindAgent]);
    auto found = find->bind(1, restore.row.id.namespace_name).bind(2, restore.row.id.name).step();
    if (!found) return failed(found.error());
    committed.replaced = *found;
    if (*found) committed.row.key = find->integer(0);
  }
  std::int64_t bytes_before = 0;
  if (committed.replaced) {
    const auto row = find_row(committed.row.key);
    if (!row) return failed(row.error());
    if (!*row) return failed(make_error(Code::kInternal, "Corrupt", "an agent must have a state"));
    if (!is_untouched((*row)->head)) return refused(already_there(restore.row.id));
    bytes_before = (*row)->head.bytes;
  }
  Plan plan;
  plan.agent = committed.row.key;
  for (const ItemWrite& write : restore.items) {
    if (committed.replaced && write.kind == ItemKind::kSchedule) continue;
    if (auto refusal = plan_item(write, plan)) return std::move(*refusal);
  }
  if (restore.state) plan.bytes += static_cast<std::int64_t>(restore.state->size());
  if (bytes_before + plan.bytes > restore.max_storage_bytes) {
    return refused(over_limit(bytes_before + plan.bytes, restore.max_storage_bytes));
  }

  if (!committed.replaced) {
    if (auto done = insert_agent(committed.row); !done) return failed(done.error());
    auto done = set_retention(committed.row.key, restore.retention, std::nullopt);
    if (!done) return failed(done.error());
  }
  plan.agent = committed.row.key;
  if (auto done = carry_out(plan, applied.due); !done) return failed(done.error());
  const auto before = find_row(plan.agent);
  if (!before) return failed(before.error());
  Row after = **before;
  if (auto done = restore_logs(restore, plan.agent, after); !done) return failed(done.error());
  after.head.version = restore.head.version;
  after.head.tick = restore.head.tick;
  after.head.ordinal = restore.head.ordinal;
  after.head.use = restore.head.use;
  after.head.bytes = bytes_before + plan.bytes;
  AgentCommit commit{.agent = plan.agent, .tick = restore.head.tick, .time = restore.head.time};
  commit.version = restore.head.version;
  commit.state = restore.state;
  commit.record = restore.record;
  if (auto done = write_logs(commit, after); !done) return failed(done.error());
  after.head.time = restore.head.time;
  if (auto done = write_row(commit, **before, after); !done) return failed(done.error());
  committed.head = after.head;
  return applied;
}

Result<void> Changes::restore_logs(const AgentRestore& restore, AgentKey agent, Row& row) {
  AgentHead& head = row.head;
  if (restore.anchor) {
    sqlite::Statement& put = sql_[Sql::kPutAnchor];
    put.bind(1, agent).bind(2, restore.anchor->number).bind(3, micros(restore.anchor->time));
    put.bind_static_blob(4, bytes_of(restore.anchor->hash));
    if (auto done = put.run(); !done) return done;
    head.number = restore.anchor->number;
    head.hash = restore.anchor->hash;
  }
  for (LogRecord record : restore.records) {
    record.id = ++last_log_;
    const bool is_tick = record.kind == LogKind::kTick;
    std::int64_t& newest = is_tick ? head.log : head.event;
    std::int64_t& total = is_tick ? row.log_total : row.event_total;
    if (auto done = write_log(agent, newest, record); !done) return done;
    newest = record.id;
    total += static_cast<std::int64_t>(record.text.size());
    if (auto done = write_mark(agent, record, total, row); !done) return done;
    head.time = record.time;
    if (!is_tick) continue;
    head.number = record.number;
    head.hash = record.hash;
  }
  return {};
}

}  // namespace oa::runtime
