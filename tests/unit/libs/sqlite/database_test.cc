#include "libs/sqlite/database.h"

#include <future>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/support/faulty_vfs.h"
#include "tests/support/temp_dir.h"

namespace oa::sqlite {
namespace {

using test::FaultyVfs;
using test::TempDir;

Database open_wal(const std::string& path, OpenOptions options = {}) {
  Database db = Database::open(path, options).value();
  EXPECT_TRUE(db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"));
  EXPECT_TRUE(db.execute("CREATE TABLE IF NOT EXISTS t(a INTEGER PRIMARY KEY, b)"));
  return db;
}

TEST(Database, keeps_values_of_each_kind_as_they_were_bound) {
  Database db = Database::open(":memory:").value();
  Statement query = db.prepare("SELECT ?, ?, ?, ?, ?").value();
  const std::string bytes("\0\xff", 2);
  query.bind(1, std::int64_t{-7}).bind(2, "text").bind_blob(3, bytes).bind_null(4);
  query.bind(5, std::string_view{});
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.integer(0), -7);
  EXPECT_EQ(query.text(1), "text");
  EXPECT_EQ(query.text(2), bytes);
  EXPECT_TRUE(query.is_null(3));
  EXPECT_FALSE(query.is_null(4));
  EXPECT_EQ(query.text(4), "");
}

TEST(Database, clears_bindings_when_a_statement_is_done) {
  Database db = Database::open(":memory:").value();
  Statement query = db.prepare("SELECT ?").value();
  query.bind(1, "x");
  ASSERT_TRUE(query.step().value());
  ASSERT_FALSE(query.step().value());
  ASSERT_TRUE(query.step().value());
  EXPECT_TRUE(query.is_null(0));
}

TEST(Database, names_the_statement_that_failed) {
  Database db = Database::open(":memory:").value();
  const Error error = db.prepare("SELECT * FROM nowhere").error();
  EXPECT_EQ(error.code, Code::kInternal);
  EXPECT_NE(error.detail.find("SELECT * FROM nowhere"), std::string::npos);
  EXPECT_NE(error.detail.find("no such table"), std::string::npos);
}

TEST(Database, refuses_a_file_that_is_no_database) {
  TempDir dir;
  std::FILE* file = std::fopen(dir.file("x.db").c_str(), "w");
  std::fputs("this is a text file and no database at all, as one can read here", file);
  std::fclose(file);
  Database db = Database::open(dir.file("x.db")).value();
  EXPECT_EQ(db.execute("PRAGMA journal_mode = WAL").error().reason, "Corrupt");
}

TEST(Database, fails_for_a_directory_that_does_not_exist) {
  TempDir dir;
  EXPECT_EQ(Database::open(dir.file("no/x.db")).error().reason, "StorageFailed");
}

TEST(Database, lets_a_read_only_connection_read_and_not_write) {
  TempDir dir;
  Database writer = open_wal(dir.file("x.db"));
  ASSERT_TRUE(writer.execute("INSERT INTO t VALUES(1, 'one')"));
  Database reader = Database::open(dir.file("x.db"), {.read_only = true}).value();
  EXPECT_EQ(reader.query_integer("SELECT count(*) FROM t").value(), 1);
  EXPECT_EQ(reader.execute("DELETE FROM t").error().reason, "StorageFailed");
}

TEST(Database, tells_a_second_writer_that_it_is_busy) {
  TempDir dir;
  const OpenOptions at_once{.busy_timeout = std::chrono::milliseconds(0)};
  Database first = open_wal(dir.file("x.db"), at_once);
  Database second = open_wal(dir.file("x.db"), at_once);
  ASSERT_TRUE(first.execute("BEGIN IMMEDIATE"));
  const Error error = second.execute("BEGIN IMMEDIATE").error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "StorageBusy");
}

TEST(Database, counts_log_pages_until_a_checkpoint_takes_them) {
  TempDir dir;
  Database db = open_wal(dir.file("x.db"));
  ASSERT_TRUE(db.execute("INSERT INTO t VALUES(1, zeroblob(100000))"));
  EXPECT_GT(db.wal_frames(), 20);
  const auto checkpoint = db.checkpoint_passive().value();
  EXPECT_FALSE(checkpoint.busy);
  EXPECT_EQ(checkpoint.wal_frames, checkpoint.checkpointed);
  EXPECT_EQ(db.wal_frames(), 0);
  ASSERT_TRUE(db.execute("INSERT INTO t VALUES(2, 0)"));
  EXPECT_LT(db.wal_frames(), 5);
}

TEST(Database, says_busy_when_a_reader_keeps_a_part_of_the_log) {
  TempDir dir;
  Database db = open_wal(dir.file("x.db"), {.busy_timeout = std::chrono::milliseconds(0)});
  Database reader = Database::open(dir.file("x.db"), {.read_only = true}).value();
  ASSERT_TRUE(reader.execute("BEGIN; SELECT * FROM t"));
  ASSERT_TRUE(db.execute("INSERT INTO t VALUES(1, 0)"));
  EXPECT_TRUE(db.checkpoint_passive().value().busy);
  EXPECT_TRUE(db.checkpoint_truncate().value().busy);
  ASSERT_TRUE(reader.execute("COMMIT"));
  EXPECT_FALSE(db.checkpoint_truncate().value().busy);
}

TEST(Database, reports_a_full_disk_and_whether_the_transaction_is_gone) {
  TempDir dir;
  FaultyVfs vfs("full");
  Database db = open_wal(dir.file("x.db"), {.vfs = vfs.name()});
  ASSERT_TRUE(db.execute("BEGIN IMMEDIATE"));
  ASSERT_TRUE(db.execute("INSERT INTO t VALUES(1, 0)"));
  EXPECT_FALSE(db.autocommit());
  vfs.fail(FaultyVfs::Operation::kWrite, 1, SQLITE_FULL);
  const Error error = db.execute("COMMIT").error();
  EXPECT_EQ(error.code, Code::kLimitExceeded);
  EXPECT_EQ(error.reason, "StorageFull");
  if (!db.autocommit()) {
    EXPECT_TRUE(db.execute("ROLLBACK"));
  }
  EXPECT_TRUE(db.autocommit());
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM t").value(), 0);
}

TEST(Database, ends_what_runs_when_it_is_interrupted_and_goes_on_afterwards) {
  Database db = Database::open(":memory:").value();
  auto endless = std::async(std::launch::async, [&db] {
    return db.query_integer(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n");
  });
  while (endless.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    db.interrupt();
  }
  const Error error = endless.get().error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "Interrupted");
  EXPECT_EQ(db.query_integer("SELECT 7").value(), 7);
}

TEST(Database, binds_bytes_that_stay_without_a_copy) {
  Database db = Database::open(":memory:").value();
  Statement query = db.prepare("SELECT ?1, ?2").value();
  const std::string text = "text";
  const std::string bytes("\0\xff", 2);
  query.bind_static(1, text).bind_static_blob(2, bytes);
  ASSERT_TRUE(query.step().value());
  EXPECT_EQ(query.text(0), text);
  EXPECT_EQ(query.text(1), bytes);
}

TEST(Database, reports_a_failed_sync) {
  TempDir dir;
  FaultyVfs vfs("sync");
  Database db = open_wal(dir.file("x.db"), {.vfs = vfs.name()});
  vfs.fail(FaultyVfs::Operation::kSync, 1, SQLITE_IOERR_FSYNC);
  const Error error = db.execute("INSERT INTO t VALUES(1, 0)").error();
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "StorageFailed");
  EXPECT_EQ(vfs.count(FaultyVfs::Operation::kSync), 1);
}

}  // namespace
}  // namespace oa::sqlite
