#include "runtime-pod/storage/schema.h"

#include <map>

#include <gtest/gtest.h>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/sweeper.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime {
namespace {

class SchemaTest : public testing::Test {
 protected:
  sqlite::Database open(const std::string& name) {
    return sqlite::Database::open(dir.file(name)).value();
  }
  // A database as a program of that schema made it.
  sqlite::Database make(const std::string& name, std::size_t schema) {
    auto db = open(name);
    EXPECT_TRUE(db.execute("PRAGMA journal_mode = WAL"));
    EXPECT_TRUE(sqlite::migrate(db, migrations().first(schema)));
    return db;
  }
  std::map<std::string, std::string> tables(sqlite::Database& db) {
    auto query = db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").value();
    std::map<std::string, std::string> found;
    while (query.step().value()) {
      found.emplace(std::string(query.text(0)), std::string(query.text(1)));
    }
    return found;
  }

  oa::test::TempDir dir;
};

TEST_F(SchemaTest, comes_out_the_same_from_every_older_version) {
  auto fresh = open("fresh.db");
  ASSERT_TRUE(prepare_writer(fresh));
  for (std::size_t schema = 1; schema <= migrations().size(); ++schema) {
    SCOPED_TRACE(schema);
    auto old = make("old-" + std::to_string(schema) + ".db", schema);
    ASSERT_TRUE(prepare_writer(old));
    EXPECT_EQ(tables(old), tables(fresh));
    EXPECT_EQ(old.query_integer("SELECT schema FROM schema_version").value(),
              migrations().back().schema);
  }
}

TEST_F(SchemaTest, counts_up_by_one_and_never_asks_for_a_program_that_is_newer_than_itself) {
  int last = 0;
  for (const sqlite::Migration& step : migrations()) {
    EXPECT_EQ(step.schema, last + 1);
    EXPECT_LE(step.min_reader, step.schema);
    last = step.schema;
  }
}

// Agent 1 has a small state, agent 2 a large one, agent 3 none, and agent 4 is deleted.
constexpr const char* kRowsOfSchema1 = R"sql(
  UPDATE meta SET value = 41 WHERE key = 'epoch';
  INSERT INTO agent VALUES(1, 'default', 'small', 'uid-1', 1000, '{"m":1}');
  INSERT INTO agent VALUES(2, 'team', 'large', 'uid-2', 2000, '{}');
  INSERT INTO agent VALUES(3, 'default', 'new', 'uid-3', 3000, '{}');
  INSERT INTO state VALUES(1, 5, 4, 36, 4, 7000, CAST('{"n":1}' AS BLOB));
  INSERT INTO state VALUES(2, 1, 1, 5000, 2, 8000, CAST(printf('%.5000c', 'x') AS BLOB));
  INSERT INTO state VALUES(3, 0, 0, 0, 0, 3000, NULL);
  INSERT INTO state VALUES(4, 1, 1, 0, 5, 3000, CAST('{}' AS BLOB));
  INSERT INTO garbage VALUES(4);
  INSERT INTO item VALUES(1, 1, 'note/1', 3, 'text/plain', CAST('hello' AS BLOB));
  INSERT INTO item VALUES(1, 1, 'note/2', 5, 'application/json', CAST('"é"' AS BLOB));
  INSERT INTO item VALUES(4, 1, 'k', 1, '', CAST('gone' AS BLOB));
  INSERT INTO log VALUES(1, 1, 0, 1, 1, 100, '{"t":1}');
  INSERT INTO log VALUES(2, 2, 0, 1, 1, 200, '{"t":2}');
  INSERT INTO log VALUES(3, 1, 1, 1, 2, 300, '{"t":3}');
  INSERT INTO log VALUES(4, 1, 3, 1, 4, 400, '{"t":4}');
  INSERT INTO log VALUES(5, 4, 0, 1, 1, 500, '{"t":5}');
)sql";

TEST_F(SchemaTest, finds_everything_of_a_database_of_schema_1_again) {
  auto db = make("x.db", 1);
  ASSERT_TRUE(db.execute(kRowsOfSchema1));
  ASSERT_TRUE(prepare_writer(db));
  EXPECT_EQ(raise_epoch(db).value(), 42);
  auto reader = Reader::open(dir.file("x.db")).value();

  const StoredAgent small = reader.find_agent({"default", "small"}).value().value();
  EXPECT_EQ(small.row.key, 1);
  EXPECT_EQ(small.row.uid, "uid-1");
  EXPECT_EQ(small.row.created, Time(Duration(1000)));
  EXPECT_EQ(small.row.manifest, R"({"m":1})");
  EXPECT_EQ(small.head.version, 5);
  EXPECT_EQ(small.head.tick, 4);
  EXPECT_EQ(small.head.bytes, 36);
  EXPECT_EQ(small.head.number, 3);
  EXPECT_EQ(small.head.time, Time(Duration(7000)));
  EXPECT_EQ(small.state, R"({"n":1})");
  EXPECT_EQ(reader.find_agent({"team", "large"}).value()->state, std::string(5000, 'x'));
  EXPECT_FALSE(reader.find_agent({"default", "new"}).value()->state);

  const auto keys = reader.list_items(1, ItemKind::kKv, "", "", 10, Values::kInclude).value();
  ASSERT_EQ(keys.items.size(), 2u);
  EXPECT_EQ(keys.items[0].value, "hello");
  EXPECT_EQ(keys.items[0].content_type, "text/plain");
  EXPECT_EQ(keys.items[1].number, 5);

  const auto log = reader.list_log(1, small.head.log, 10).value();
  ASSERT_EQ(log.items.size(), 3u);
  EXPECT_EQ(log.items[0].text, R"({"t":4})");
  EXPECT_EQ(log.items[0].number, 3);
  EXPECT_EQ(log.items[2].number, 1);
  EXPECT_EQ(log.items[2].time, Time(Duration(100)));
  EXPECT_EQ(log.items[2].hash, Hash{});
}

TEST_F(SchemaTest, goes_on_with_a_database_of_schema_1) {
  auto db = make("x.db", 1);
  ASSERT_TRUE(db.execute(kRowsOfSchema1));
  ASSERT_TRUE(prepare_writer(db));
  auto changes = Changes::prepare(db, test::seal).value();
  auto sweeper = Sweeper::prepare(db).value();
  while (sweeper.sweep(Time()).value()) {
  }
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM log WHERE agent = 4").value(), 0);
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM item WHERE agent = 4").value(), 0);

  const Applied next = changes.apply(test::tick(1, 6, "{}"));
  ASSERT_EQ(next.kind, Applied::Kind::kWritten) << next.error.detail;
  EXPECT_EQ(next.committed.head.bytes, 36 - 7 + 2);
  EXPECT_EQ(next.committed.head.number, 4);
  EXPECT_EQ(next.committed.head.log, 6);
  const Applied put = changes.apply(test::put_agent("another"));
  EXPECT_GT(put.committed.row.key, 3);
  auto reader = Reader::open(dir.file("x.db")).value();
  EXPECT_EQ(reader.list_log(1, 6, 10).value().items.size(), 4u);
}

}  // namespace
}  // namespace oa::runtime
