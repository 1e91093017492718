// Takes rows away that nobody needs any more, a few at a time: those of deleted agents, those whose
// time of expiry has come, and records that are older or more than their agent keeps.
//
// Thread-safety: belongs to the writer's thread, as its Database.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/clock.h"
#include "core/result.h"
#include "libs/sqlite/database.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/storage/statements.h"

namespace oa::runtime {

enum class SweepSql : std::size_t;  // in sweeper.cc

class Sweeper {
 public:
  // `db` must outlive it, where it is.
  static Result<Sweeper> prepare(sqlite::Database& db);

  // True: something was taken away, and there may be more. A transaction must be open.
  Result<bool> sweep(Time now);

 private:
  explicit Sweeper(sqlite::Database& db) : db_(&db) {}
  Result<bool> sweep_garbage();
  Result<bool> sweep_items(AgentKey agent);
  Result<std::int64_t> remove_chain(std::int64_t newest, std::int64_t& rows);
  Result<bool> expire(Time now);
  Result<bool> trim(Time now);
  Result<void> trim_chain(AgentKey agent, std::int64_t kind, std::int64_t id);

  sqlite::Database* db_;
  Statements<SweepSql> sql_;
};

}  // namespace oa::runtime
