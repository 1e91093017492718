#include "runtime-pod/storage/schema.h"

#include <array>

namespace oa::runtime {
namespace {

constexpr std::array<sqlite::Migration, 1> kMigrations = {{
    {1, 1, R"sql(
      CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO meta VALUES('epoch', 0);

      CREATE TABLE agent(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        uid TEXT NOT NULL,
        created INTEGER NOT NULL,
        manifest TEXT NOT NULL,
        UNIQUE(namespace, name)) STRICT;

      CREATE TABLE state(
        agent INTEGER PRIMARY KEY,
        version INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        log INTEGER NOT NULL,
        time INTEGER NOT NULL,
        state BLOB) STRICT;

      CREATE TABLE item(
        agent INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        key TEXT NOT NULL,
        version INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY(agent, kind, key)) STRICT, WITHOUT ROWID;

      CREATE TABLE log(
        id INTEGER PRIMARY KEY,
        agent INTEGER NOT NULL,
        prev INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        time INTEGER NOT NULL,
        record TEXT NOT NULL) STRICT;

      CREATE TABLE garbage(agent INTEGER PRIMARY KEY) STRICT;
    )sql"},
}};

}  // namespace

std::span<const sqlite::Migration> migrations() { return kMigrations; }

Result<void> prepare_writer(sqlite::Database& db) {
  // Only what is synced is acknowledged: synchronous = FULL syncs the log at every commit. The page
  // cache may grow to 4 MiB. The log's file is cut to 64 MiB when it starts again from its
  // beginning.
  for (const char* sql :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -4096",
        "PRAGMA mmap_size = 0", "PRAGMA journal_size_limit = 67108864"}) {
    if (auto done = db.execute(sql); !done) return done;
  }
  auto version = sqlite::migrate(db, migrations());
  if (!version) return version.error();
  return {};
}

Result<void> prepare_reader(sqlite::Database& db) {
  for (const char* sql :
       {"PRAGMA query_only = ON", "PRAGMA cache_size = -2048", "PRAGMA mmap_size = 0"}) {
    if (auto done = db.execute(sql); !done) return done;
  }
  return {};
}

Result<std::int64_t> raise_epoch(sqlite::Database& db) {
  if (auto done = db.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'"); !done) {
    return done.error();
  }
  return db.query_integer("SELECT value FROM meta WHERE key = 'epoch'");
}

}  // namespace oa::runtime
