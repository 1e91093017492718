#include "libs/sqlite/migrations.h"

namespace oa::sqlite {
namespace {

constexpr const char* kVersionTable =
    "CREATE TABLE IF NOT EXISTS schema_version(schema INTEGER NOT NULL, min_reader INTEGER NOT "
    "NULL)";

Result<SchemaVersion> read_version(Database& db) {
  auto exists = db.query_integer(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'");
  if (!exists) return exists.error();
  if (*exists == 0) return SchemaVersion{};
  auto query = db.prepare("SELECT schema, min_reader FROM schema_version");
  if (!query) return query.error();
  const auto row = query->step();
  if (!row) return row.error();
  if (!*row) return SchemaVersion{};
  return SchemaVersion{static_cast<int>(query->integer(0)), static_cast<int>(query->integer(1))};
}

Result<void> apply(Database& db, const Migration& step) {
  for (const char* sql : {kVersionTable, step.sql, "DELETE FROM schema_version"}) {
    if (auto done = db.execute(sql); !done) return done;
  }
  return db.execute("INSERT INTO schema_version VALUES(" + std::to_string(step.schema) + ", " +
                    std::to_string(step.min_reader) + ")");
}

Result<void> apply_in_transaction(Database& db, const Migration& step) {
  if (auto begun = db.execute("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = apply(db, step);
  if (done) done = db.execute("COMMIT");
  // What a rollback answers changes nothing: the caller gives the database up.
  if (!done && !db.autocommit()) static_cast<void>(db.execute("ROLLBACK"));
  return done;
}

}  // namespace

Result<SchemaVersion> migrate(Database& db, std::span<const Migration> migrations) {
  auto version = read_version(db);
  if (!version) return version.error();
  const int known = migrations.empty() ? 0 : migrations.back().schema;
  if (version->schema > known && version->min_reader > known) {
    return make_error(Code::kConflict, "DatabaseTooNew",
                      "the database has schema " + std::to_string(version->schema) +
                          ", which needs a program of schema " +
                          std::to_string(version->min_reader) + " or newer; this one has " +
                          std::to_string(known));
  }
  for (const Migration& step : migrations) {
    if (step.schema <= version->schema) continue;
    if (auto done = apply_in_transaction(db, step); !done) return done.error();
    version = SchemaVersion{step.schema, step.min_reader};
  }
  return *version;
}

}  // namespace oa::sqlite
