#include "libs/sqlite/migrations.h"

#include <vector>

#include <gtest/gtest.h>

namespace oa::sqlite {
namespace {

const std::vector<Migration> kTwoSteps = {
    {1, 1, "CREATE TABLE a(x)"},
    {2, 1, "CREATE TABLE b(x); INSERT INTO b VALUES(7)"},
};

Database memory() { return Database::open(":memory:").value(); }

TEST(Migrations, bring_an_empty_database_to_the_last_step) {
  Database db = memory();
  const auto version = migrate(db, kTwoSteps).value();
  EXPECT_EQ(version.schema, 2);
  EXPECT_EQ(version.min_reader, 1);
  EXPECT_EQ(db.query_integer("SELECT x FROM b").value(), 7);
}

TEST(Migrations, run_only_the_steps_that_are_missing) {
  Database db = memory();
  ASSERT_TRUE(migrate(db, std::span(kTwoSteps).first(1)));
  ASSERT_TRUE(db.execute("INSERT INTO a VALUES(1)"));
  EXPECT_EQ(migrate(db, kTwoSteps).value().schema, 2);
  EXPECT_EQ(migrate(db, kTwoSteps).value().schema, 2);
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM a").value(), 1);
  EXPECT_EQ(db.query_integer("SELECT count(*) FROM b").value(), 1);
}

TEST(Migrations, leave_a_newer_database_alone_when_it_allows_this_program) {
  Database db = memory();
  ASSERT_TRUE(migrate(db, kTwoSteps));
  const auto version = migrate(db, std::span(kTwoSteps).first(1)).value();
  EXPECT_EQ(version.schema, 2);
}

TEST(Migrations, refuse_a_newer_database_that_needs_a_newer_program) {
  Database db = memory();
  ASSERT_TRUE(migrate(db, std::vector<Migration>{{1, 1, "SELECT 1"}, {2, 2, "SELECT 1"}}));
  const Error error = migrate(db, std::span(kTwoSteps).first(1)).error();
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_EQ(error.reason, "DatabaseTooNew");
  EXPECT_NE(error.detail.find("schema 2"), std::string::npos);
}

TEST(Migrations, undo_a_step_that_fails_in_the_middle) {
  Database db = memory();
  const std::vector<Migration> broken = {
      kTwoSteps[0], {2, 1, "CREATE TABLE b(x); INSERT INTO nowhere VALUES(1)"}};
  EXPECT_FALSE(migrate(db, broken));
  EXPECT_EQ(migrate(db, kTwoSteps).value().schema, 2);
}

}  // namespace
}  // namespace oa::sqlite
