#include "runtime-pod/storage/schema.h"

#include <array>

namespace oa::runtime {
namespace {

constexpr std::array<sqlite::Migration, 2> kMigrations = {{
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
    {2, 2, R"sql(
      INSERT INTO meta VALUES('log', (SELECT coalesce(max(id), 0) FROM log));

      ALTER TABLE item RENAME TO item_1;
      CREATE TABLE item(
        agent INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        key TEXT NOT NULL,
        number INTEGER NOT NULL,
        due_class INTEGER,
        due INTEGER,
        content_type TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY(agent, kind, key)) STRICT, WITHOUT ROWID;
      INSERT INTO item
        SELECT agent, kind, key, version, NULL, NULL, content_type, value FROM item_1;
      DROP TABLE item_1;
      CREATE INDEX item_due ON item(due_class, due) WHERE due IS NOT NULL;

      ALTER TABLE log RENAME TO log_1;
      CREATE TABLE log(
        id INTEGER PRIMARY KEY,
        agent INTEGER NOT NULL,
        prev INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        number INTEGER NOT NULL,
        time INTEGER NOT NULL,
        hash BLOB,
        record TEXT NOT NULL) STRICT;
      INSERT INTO log
        SELECT id, agent, prev, kind, tick, row_number() OVER (PARTITION BY agent ORDER BY id),
               time, NULL, record
        FROM log_1 ORDER BY id;
      DROP TABLE log_1;

      ALTER TABLE state RENAME TO state_1;
      CREATE TABLE state(
        agent INTEGER PRIMARY KEY,
        version INTEGER NOT NULL,
        tick INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        log INTEGER NOT NULL,
        event INTEGER NOT NULL,
        number INTEGER NOT NULL,
        log_total INTEGER NOT NULL,
        event_total INTEGER NOT NULL,
        use_day INTEGER NOT NULL,
        use_ticks INTEGER NOT NULL,
        use_bytes INTEGER NOT NULL,
        use_iterations INTEGER NOT NULL,
        time INTEGER NOT NULL,
        audit_age INTEGER,
        audit_bytes INTEGER,
        event_age INTEGER,
        event_bytes INTEGER,
        hash BLOB NOT NULL,
        state_bytes INTEGER,
        state BLOB) STRICT;
      INSERT INTO state
        SELECT s.agent, version, tick, bytes, 0, log, 0, coalesce(records, 0),
               coalesce(log_total, 0), 0, 0, 0, 0, 0, time, NULL, NULL, NULL, NULL, zeroblob(32),
               length(state), iif(length(state) > 2048, NULL, state)
        FROM state_1 AS s LEFT JOIN (
          SELECT agent, count(*) AS records, sum(length(CAST(record AS BLOB))) AS log_total
          FROM log GROUP BY agent) AS l ON l.agent = s.agent
        WHERE s.agent IN (SELECT id FROM agent);
      CREATE TABLE large_state(agent INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
      INSERT INTO large_state
        SELECT agent, state FROM state_1
        WHERE length(state) > 2048 AND agent IN (SELECT id FROM agent);

      ALTER TABLE garbage RENAME TO garbage_1;
      CREATE TABLE garbage(
        agent INTEGER PRIMARY KEY,
        log INTEGER NOT NULL,
        event INTEGER NOT NULL) STRICT;
      INSERT INTO garbage
        SELECT g.agent, coalesce(log, 0), 0
        FROM garbage_1 AS g LEFT JOIN state_1 AS s ON s.agent = g.agent;
      DROP TABLE garbage_1;
      DROP TABLE state_1;

      CREATE TABLE mark(
        agent INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        id INTEGER NOT NULL,
        total INTEGER NOT NULL,
        due INTEGER NOT NULL,
        PRIMARY KEY(agent, kind, id)) STRICT, WITHOUT ROWID;
      CREATE INDEX mark_due ON mark(due);
      CREATE TABLE anchor(
        agent INTEGER PRIMARY KEY,
        number INTEGER NOT NULL,
        time INTEGER NOT NULL,
        hash BLOB) STRICT;
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
