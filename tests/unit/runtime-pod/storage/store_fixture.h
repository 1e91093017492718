// A database with its tables, changes applied one transaction each, and a reader beside it.
//
// Thread-safety: none; of one test.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/schema.h"
#include "runtime-pod/storage/sweeper.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime::test {

class TablesTest : public testing::Test {
 protected:
  TablesTest() : db(sqlite::Database::open(dir.file("x.db")).value()) {
    EXPECT_TRUE(prepare_writer(db));
    EXPECT_TRUE(db.execute("PRAGMA synchronous = OFF"));  // nothing here loses its power
    changes.emplace(Changes::prepare(db, seal).value());
    sweeper.emplace(Sweeper::prepare(db).value());
    reader.emplace(Reader::open(dir.file("x.db")).value());
  }

  Applied apply(const Change& change) {
    EXPECT_TRUE(db.execute("BEGIN IMMEDIATE"));
    Applied applied = changes->apply(change);
    EXPECT_TRUE(db.execute("COMMIT"));
    return applied;
  }
  Committed commit(const Change& change) {
    Applied applied = apply(change);
    EXPECT_EQ(applied.kind, Applied::Kind::kWritten) << applied.error.detail;
    return applied.committed;
  }
  AgentKey add(const std::string& name) { return commit(put_agent(name)).row.key; }
  // A commit of these rows that is no tick.
  Applied add_rows(AgentKey agent, std::vector<ItemWrite> items) {
    return apply(AgentCommit{.agent = agent, .items = std::move(items)});
  }
  StoredAgent stored(const std::string& name) {
    return reader->find_agent({"default", name}).value().value();
  }
  // Sweeps until nothing is left; how often it took rows away.
  int sweep_all(Time now) {
    for (int sweeps = 0;; ++sweeps) {
      EXPECT_TRUE(db.execute("BEGIN IMMEDIATE"));
      const bool more = sweeper->sweep(now).value();
      EXPECT_TRUE(db.execute("COMMIT"));
      if (!more) return sweeps;
    }
  }
  std::int64_t count(const std::string& table) {
    return db.query_integer("SELECT count(*) FROM " + table).value();
  }

  oa::test::TempDir dir;
  sqlite::Database db;
  std::optional<Changes> changes;
  std::optional<Sweeper> sweeper;
  std::optional<Reader> reader;
};

}  // namespace oa::runtime::test
