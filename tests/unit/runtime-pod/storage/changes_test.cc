#include "runtime-pod/storage/changes.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using Kind = Applied::Kind;
using test::delete_key;
using test::put_agent;
using test::put_key;
using test::tick;

using ChangesTest = test::TablesTest;

TEST_F(ChangesTest, keep_what_a_tick_wrote) {
  const AgentKey agent = add("a");
  AgentCommit first = tick(agent, 1, R"({"n":1})");
  first.items = {put_key("k", "value")};
  const Applied applied = apply(first);
  ASSERT_EQ(applied.kind, Kind::kWritten);
  EXPECT_FALSE(applied.committed.replaced);
  const StoredAgent agent_row = stored("a");
  EXPECT_EQ(agent_row.state, R"({"n":1})");
  EXPECT_EQ(agent_row.head.version, 1);
  EXPECT_EQ(agent_row.head.tick, 1);
  EXPECT_EQ(agent_row.head.bytes, 7 + 1 + 5);
  const auto value = reader->get_item(agent, ItemKind::kKv, "k").value().value();
  EXPECT_EQ(value.value, "value");
  EXPECT_EQ(value.content_type, "text/plain");
  EXPECT_EQ(value.number, 1);
}

TEST_F(ChangesTest, let_only_the_commit_through_that_follows_the_last) {  // I1
  const AgentKey agent = add("a");
  ASSERT_EQ(apply(tick(agent, 1)).kind, Kind::kWritten);
  for (const std::int64_t version : {1, 3}) {
    const Applied applied = apply(tick(agent, version, "{}"));
    EXPECT_EQ(applied.kind, Kind::kRefused);
    EXPECT_EQ(applied.error.reason, "Fenced");
  }
  EXPECT_FALSE(stored("a").state);
}

TEST_F(ChangesTest, count_bytes_as_values_come_change_and_go) {
  const AgentKey agent = add("a");
  AgentCommit commit = tick(agent, 1, "12345");
  commit.items = {put_key("key", "1234567")};
  EXPECT_EQ(apply(commit).committed.head.bytes, 5 + 10);
  commit = tick(agent, 2, "1");
  commit.items = {put_key("key", "1")};
  const Applied replaced = apply(commit);
  EXPECT_TRUE(replaced.committed.replaced);
  EXPECT_EQ(replaced.committed.head.bytes, 1 + 4);
  commit = tick(agent, 3);
  commit.items = {delete_key("key"), delete_key("never was")};
  EXPECT_EQ(apply(commit).committed.head.bytes, 1);
}

TEST_F(ChangesTest, refuse_what_is_over_the_limit_and_change_nothing) {
  const AgentKey agent = add("a");
  AgentCommit commit = tick(agent, 1, "{}");
  commit.items = {put_key("a", std::string(50, 'x')), put_key("b", std::string(50, 'x'))};
  commit.max_storage_bytes = 100;
  const Applied applied = apply(commit);
  EXPECT_EQ(applied.kind, Kind::kRefused);
  EXPECT_EQ(applied.error.code, Code::kLimitExceeded);
  EXPECT_EQ(applied.error.reason, "StorageLimit");
  EXPECT_EQ(stored("a").head.version, 0);
  EXPECT_FALSE(reader->get_item(agent, ItemKind::kKv, "a").value());
}

TEST_F(ChangesTest, let_an_agent_over_its_lowered_limit_shrink) {
  const AgentKey agent = add("a");
  AgentCommit commit = tick(agent, 1);
  commit.items = {put_key("a", std::string(50, 'x')), put_key("b", std::string(50, 'x'))};
  ASSERT_EQ(apply(commit).kind, Kind::kWritten);
  commit = tick(agent, 2);
  commit.items = {delete_key("a")};
  commit.max_storage_bytes = 10;
  EXPECT_EQ(apply(commit).kind, Kind::kWritten);
}

TEST_F(ChangesTest, hold_writes_to_their_conditions) {
  const AgentKey agent = add("a");
  AgentCommit first = tick(agent, 1);
  first.items = {put_key("k", "1")};
  ASSERT_EQ(apply(first).kind, Kind::kWritten);
  struct Row {
    const char* key;
    ItemCondition condition;
    const char* reason;  // "-": let through
  };
  const Row rows[] = {
      {"k", {.must_be_absent = true}, "PreconditionFailed"},
      {"new", {.any_version = true}, "PreconditionFailed"},
      {"new", {.versions = {{1}}}, "PreconditionFailed"},
      {"k", {.versions = {{2, 3}}}, "PreconditionFailed"},
      {"k", {.versions = std::vector<std::int64_t>()}, "PreconditionFailed"},
      {"new", {.must_exist = true}, ""},
      {"k", {.versions = {{5, 1}}}, "-"},
  };
  for (const Row& row : rows) {
    AgentCommit commit = tick(agent, 2);
    commit.items = {put_key(row.key, "2")};
    commit.items[0].condition = row.condition;
    const Applied applied = apply(commit);
    if (std::string(row.reason) == "-") {
      EXPECT_EQ(applied.kind, Kind::kWritten);
    } else {
      EXPECT_EQ(applied.kind, Kind::kRefused);
      EXPECT_EQ(applied.error.reason, row.reason);
    }
  }
}

TEST_F(ChangesTest, give_a_put_agent_its_key_and_keep_it) {
  const AgentKey agent = add("a");
  const AgentKey other = add("b");
  EXPECT_NE(agent, other);
  ASSERT_EQ(apply(tick(agent, 1, "{}")).kind, Kind::kWritten);
  AgentPut again = put_agent("a", R"({"new":1})");
  again.row.uid = "another";
  const Applied applied = apply(again);
  EXPECT_TRUE(applied.committed.replaced);
  EXPECT_EQ(applied.committed.row.key, agent);
  EXPECT_EQ(applied.committed.head.version, 1);
  EXPECT_EQ(stored("a").row.manifest, R"({"new":1})");
  EXPECT_EQ(stored("a").row.uid, "another");
  EXPECT_EQ(stored("a").state, "{}");
}

TEST_F(ChangesTest, take_a_removed_agents_rows_away_bit_by_bit) {
  const AgentKey agent = add("a");
  const AgentKey other = add("b");
  for (int version = 1; version <= 300; ++version) {
    AgentCommit commit = tick(agent, version, "{}");
    commit.items = {put_key("key" + std::to_string(version), "v")};
    ASSERT_EQ(apply(commit).kind, Kind::kWritten);
  }
  AgentCommit commit = tick(other, 1, "{}");
  commit.items = {put_key("k", "v")};
  ASSERT_EQ(apply(commit).kind, Kind::kWritten);

  ASSERT_EQ(apply(AgentRemove{agent}).kind, Kind::kWritten);
  EXPECT_EQ(apply(AgentRemove{agent}).error.code, Code::kNotFound);
  EXPECT_FALSE(reader->find_agent({"default", "a"}).value());
  EXPECT_NE(add("a"), agent);

  const int sweeps = sweep_all(Time());
  EXPECT_GT(sweeps, 4);
  EXPECT_EQ(count("log"), 1);
  EXPECT_EQ(count("item"), 1);
  EXPECT_EQ(count("state"), 2);
  EXPECT_EQ(count("garbage"), 0);
}

TEST_F(ChangesTest, refuse_a_tick_of_an_agent_that_never_was) {
  EXPECT_EQ(apply(tick(99, 1)).error.code, Code::kNotFound);
}

}  // namespace
}  // namespace oa::runtime
