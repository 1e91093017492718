#include "runtime-pod/storage/changes.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using Kind = Applied::Kind;
using test::delete_item;
using test::delete_key;
using test::put_agent;
using test::put_item;
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

TEST_F(ChangesTest, keep_a_large_state_apart_and_find_it_again) {
  const AgentKey agent = add("a");
  const std::string large(kInlineStateBytes + 1, 'x');
  ASSERT_EQ(commit(tick(agent, 1, large)).head.bytes, 2049);
  EXPECT_EQ(stored("a").state, large);
  EXPECT_EQ(count("large_state"), 1);
  ASSERT_EQ(commit(tick(agent, 2)).head.bytes, 2049);
  EXPECT_EQ(stored("a").state, large);
  ASSERT_EQ(commit(tick(agent, 3, "{}")).head.bytes, 2);
  EXPECT_EQ(stored("a").state, "{}");
  EXPECT_EQ(count("large_state"), 0);
  commit(tick(agent, 4, large));
  commit(AgentRemove{agent});
  EXPECT_EQ(count("large_state"), 0);
}

TEST_F(ChangesTest, take_rows_in_between_without_being_a_tick) {
  const AgentKey agent = add("a");
  commit(tick(agent, 1, "{}"));
  const Committed added = commit(AgentCommit{.agent = agent,
                                             .ordinal = 7,
                                             .time = Time(std::chrono::seconds(9999)),
                                             .items = {put_item(ItemKind::kInbox, "7", "hello")}});
  EXPECT_EQ(added.head.version, 1);
  EXPECT_EQ(added.head.ordinal, 7);
  EXPECT_EQ(added.head.bytes, 2 + 1 + 5);
  EXPECT_EQ(added.head.time, Time(std::chrono::seconds(2000)));
  const Item item = reader->get_item(agent, ItemKind::kInbox, "7").value().value();
  EXPECT_EQ(item.value, "hello");
  EXPECT_EQ(item.number, 1);
  EXPECT_FALSE(item.due);
  EXPECT_EQ(commit(tick(agent, 2)).head.ordinal, 7);
}

TEST_F(ChangesTest, count_only_what_users_and_ticks_write) {
  const AgentKey agent = add("a");
  for (const ItemKind kind :
       {ItemKind::kEnvelope, ItemKind::kSender, ItemKind::kReplay, ItemKind::kEffect}) {
    EXPECT_EQ(add_rows(agent, {put_item(kind, "k", "value")}).committed.head.bytes, 0);
    EXPECT_EQ(add_rows(agent, {delete_item(kind, "k")}).committed.head.bytes, 0);
  }
  EXPECT_EQ(add_rows(agent, {put_item(ItemKind::kStep, "k", "value")}).committed.head.bytes, 6);
}

TEST_F(ChangesTest, take_a_number_only_when_it_advances) {
  const AgentKey agent = add("a");
  const auto send = [&](std::int64_t number, bool or_skip) {
    ItemWrite sender = put_item(ItemKind::kSender, "s", std::to_string(number));
    sender.number = number;
    sender.condition = {.must_advance = true, .or_skip = or_skip};
    return add_rows(agent, {put_item(ItemKind::kStep, "step", "x"), sender});
  };
  EXPECT_EQ(send(5, false).kind, Kind::kWritten);
  const Applied again = send(5, false);
  EXPECT_EQ(again.error.code, Code::kConflict);
  EXPECT_EQ(again.error.reason, "Duplicate");
  EXPECT_EQ(send(4, true).kind, Kind::kWritten);
  EXPECT_EQ(reader->get_item(agent, ItemKind::kSender, "s").value()->value, "5");
  EXPECT_EQ(send(6, true).kind, Kind::kWritten);
  EXPECT_EQ(reader->get_item(agent, ItemKind::kSender, "s").value()->number, 6);
}

TEST_F(ChangesTest, leave_out_only_the_write_that_may_be_skipped) {
  const AgentKey agent = add("a");
  ItemWrite skipped = delete_item(ItemKind::kAlarm, "gone");
  skipped.condition = {.versions = {{3}}, .or_skip = true};
  const Applied applied = add_rows(agent, {skipped, put_key("k", "v")});
  EXPECT_EQ(applied.kind, Kind::kWritten);
  EXPECT_EQ(applied.committed.head.bytes, 2);
}

TEST_F(ChangesTest, write_rows_of_another_agent_and_count_them_there) {
  const AgentKey sender = add("sender");
  const AgentKey target = add("target");
  AgentCommit commit_to = tick(sender, 1, "{}");
  ItemWrite message = put_item(ItemKind::kInbox, "1", "hello", test::work_at(5));
  message.agent = target;
  commit_to.items = {message};
  const Applied applied = apply(commit_to);
  EXPECT_EQ(applied.committed.head.bytes, 2);
  EXPECT_EQ(stored("target").head.bytes, 6);
  EXPECT_EQ(stored("target").head.version, 0);
  ASSERT_EQ(applied.due.size(), 1u);
  EXPECT_EQ(applied.due[0].agent, target);
  EXPECT_TRUE(reader->get_item(target, ItemKind::kInbox, "1").value());

  commit(AgentRemove{target});
  commit_to = tick(sender, 2);
  commit_to.items = {put_key("k", "v"), message};
  EXPECT_EQ(apply(commit_to).error.code, Code::kNotFound);
  EXPECT_EQ(stored("sender").head.version, 1);
}

TEST_F(ChangesTest, give_an_agent_its_rows_with_its_manifest) {
  AgentPut put = put_agent("a");
  put.items = {put_item(ItemKind::kSchedule, "daily", "{}", test::work_at(50))};
  const Applied created = apply(put);
  const AgentKey agent = created.committed.row.key;
  EXPECT_FALSE(created.committed.replaced);
  ASSERT_EQ(created.due.size(), 1u);
  EXPECT_EQ(created.due[0].agent, agent);
  EXPECT_EQ(created.committed.head.bytes, 7);
  put.items = {delete_item(ItemKind::kSchedule, "daily")};
  EXPECT_EQ(commit(put).head.bytes, 0);
  EXPECT_EQ(stored("a").head.bytes, 0);
  EXPECT_FALSE(reader->next_due().value());
}

TEST_F(ChangesTest, refuse_everything_of_a_removed_agent_although_its_rows_are_still_there) {
  const AgentKey agent = add("a");
  commit(tick(agent, 1, "{}"));
  commit(AgentRemove{agent});
  EXPECT_EQ(apply(tick(agent, 2)).error.code, Code::kNotFound);
  EXPECT_EQ(add_rows(agent, {put_key("k", "v")}).error.code, Code::kNotFound);
  EXPECT_FALSE(reader->find_agent(agent).value());
}

TEST_F(ChangesTest, remember_what_a_day_has_used) {
  const AgentKey agent = add("a");
  AgentCommit used = tick(agent, 1);
  used.use = DayUse{20000, 3, 400, 5};
  commit(used);
  commit(tick(agent, 2));
  EXPECT_EQ(stored("a").head.use, (DayUse{20000, 3, 400, 5}));
}

TEST_F(ChangesTest, refuse_a_tick_of_an_agent_that_never_was) {
  EXPECT_EQ(apply(tick(99, 1)).error.code, Code::kNotFound);
}

}  // namespace
}  // namespace oa::runtime
