// Writes changes into the tables. Rules are checked before the first write of a change, so that a
// refused one leaves nothing behind while its transaction goes on with others.
//
// Thread-safety: belongs to the writer's thread, as its Database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/storage/statements.h"

namespace oa::runtime {

// The hash of a new record of an agent's audit chain, of which `previous` is the end (zeros: the
// record is the first). `agent` is "namespace/name"; `record` has all of its fields but the hash.
using Seal =
    std::function<Hash(const Hash& previous, std::string_view agent, const LogRecord& record)>;

enum class ChangeSql : std::size_t;  // in changes_sql.h

// What became of one change in an open transaction.
struct Applied {
  enum class Kind {
    kWritten,  // `committed` holds once the transaction commits
    kRefused,  // by a rule: `error`; nothing was written
    kFailed,   // by the database: `error`; the transaction must be rolled back
  };
  Kind kind = Kind::kWritten;
  Committed committed;
  std::vector<DueRow> due;  // the rows of class kWork that were written
  Error error;
};

class Changes {
 public:
  static Result<Changes> prepare(sqlite::Database& db, Seal seal);

  // A transaction must be open.
  Applied apply(const Change& change);

  // The epoch in the database; this process may commit only while it is its own (I1).
  Result<std::int64_t> epoch();

 private:
  // What the row of an agent in `state` has, but for the state.
  struct Row {
    std::string name;  // "namespace/name"
    AgentHead head;
    std::optional<std::int64_t> state_bytes;
    std::int64_t log_total = 0;  // bytes of all tick records that there ever were
    std::int64_t event_total = 0;
    std::optional<RetentionConfig> retention;  // absent: all records are kept
  };
  struct Plan;  // the items of a change, and what they do to which agent
  // A change that cannot be carried out; the other way is nothing.
  using Refusal = std::optional<Applied>;

  explicit Changes(Seal seal) : seal_(std::move(seal)) {}
  Applied apply_commit(const AgentCommit& commit);
  Applied apply_put(const AgentPut& put);
  Applied apply_remove(const AgentRemove& remove);
  // In restore.cc.
  Applied apply_restore(const AgentRestore& restore);
  Result<void> restore_logs(const AgentRestore& restore, AgentKey agent, Row& row);
  Result<std::optional<Row>> find_row(AgentKey agent);

  // In items.cc: items.
  Refusal make_plan(const std::vector<ItemWrite>& items, Plan& plan);
  Refusal plan_item(const ItemWrite& write, Plan& plan);
  Refusal find_target(AgentKey agent, Plan& plan, std::int64_t*& bytes);
  Result<void> carry_out(const Plan& plan, std::vector<DueRow>& due);

  Result<void> write_logs(const AgentCommit& commit, Row& row);
  Result<void> write_log(AgentKey agent, std::int64_t previous, const LogRecord& record);
  Result<void> write_mark(AgentKey agent, const LogRecord& record, std::int64_t total,
                          const Row& row);
  Result<void> write_row(const AgentCommit& commit, const Row& before, const Row& after);
  Result<void> insert_agent(AgentRow& row);
  Result<void> update_agent(const AgentRow& row);
  Result<void> set_retention(AgentKey agent, const RetentionConfig& retention,
                             const std::optional<RetentionConfig>& before);

  Seal seal_;
  std::int64_t last_log_ = 0;  // the highest id that a record has had
  Statements<ChangeSql> sql_;
};

// The bytes that a change brings to disk, about: batches are bounded by it.
std::size_t weight(const Change& change);

}  // namespace oa::runtime
