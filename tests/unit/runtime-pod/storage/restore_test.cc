#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using test::put_item;
using test::put_key;
using test::seal;
using test::tick;
using test::work_at;

class RestoreTest : public test::TablesTest {
 protected:
  static ItemWrite numbered(ItemWrite item, std::int64_t number) {
    item.number = number;
    return item;
  }

  RestoreTest() {
    restore.row = {.id = {"default", "a"}, .uid = "old", .created = Time(Duration(5))};
    restore.row.manifest = "{}";
    restore.head = {.version = 9, .tick = 7, .ordinal = 4, .time = Time(Duration(6))};
    restore.state = R"({"n":1})";
    restore.items = {numbered(put_key("k", "value"), 8),
                     numbered(put_item(ItemKind::kAlarm, "al", "x", work_at(99)), 3)};
    restore.max_storage_bytes = 1000;
  }

  LogRecord record(const Hash& previous, std::int64_t number) {
    LogRecord made{.tick = number, .number = number, .text = "{}"};
    made.hash = seal(previous, "default/a", made);
    return made;
  }

  AgentRestore restore;
};

TEST_F(RestoreTest, brings_an_agent_back_with_its_rows_and_what_is_due) {
  const Applied applied = apply(restore);
  ASSERT_EQ(applied.kind, Applied::Kind::kWritten) << applied.error.detail;
  ASSERT_EQ(applied.due.size(), 1u);
  EXPECT_EQ(applied.due[0].key, "al");
  const StoredAgent agent = stored("a");
  EXPECT_EQ(agent.row.uid, "old");
  EXPECT_EQ(agent.state, restore.state);
  EXPECT_EQ(agent.head.version, 9);
  EXPECT_EQ(agent.head.tick, 7);
  EXPECT_EQ(agent.head.ordinal, 4);
  EXPECT_EQ(agent.head.bytes, 7 + 1 + 5 + 2 + 1);
  EXPECT_EQ(reader->get_item(agent.row.key, ItemKind::kKv, "k").value()->number, 8);
  EXPECT_EQ(commit(tick(agent.row.key, 10)).head.version, 10);
}

TEST_F(RestoreTest, goes_on_with_the_chain_that_the_agent_had) {
  const LogAnchor anchor{2, Time(), {7, 7}};
  const LogRecord third = record(anchor.hash, 3);
  const LogRecord fourth = record(third.hash, 4);
  restore.anchor = anchor;
  restore.records = {third, {.kind = LogKind::kEvent, .tick = 3, .text = "[]"}, fourth};
  commit(restore);
  const StoredAgent agent = stored("a");
  EXPECT_EQ(agent.head.number, 4);
  EXPECT_EQ(agent.head.hash, fourth.hash);
  EXPECT_EQ(reader->find_anchor(agent.row.key).value()->number, 2);
  const auto log = reader->list_log(agent.row.key, agent.head.log, 10).value();
  ASSERT_EQ(log.items.size(), 2u);
  EXPECT_EQ(log.items[1].hash, third.hash);
  EXPECT_EQ(reader->read_feed(agent.row.key, 0, 10).value().records.size(), 3u);
  const Committed next = commit(tick(agent.row.key, 10));
  EXPECT_EQ(next.head.number, 5);
  EXPECT_EQ(next.head.hash[0], fourth.hash[0] + 1);
}

TEST_F(RestoreTest, begins_a_chain_with_the_record_that_is_given) {
  restore.record = R"({"origin":"x"})";
  EXPECT_EQ(commit(restore).head.number, 1);
}

TEST_F(RestoreTest, becomes_an_agent_to_which_nothing_has_happened) {
  AgentPut put = test::put_agent("a", R"({"spec":1})");
  put.items = {put_item(ItemKind::kSchedule, "s", "its own")};
  const AgentKey agent = commit(put).row.key;
  restore.items.push_back(numbered(put_item(ItemKind::kSchedule, "s", "the archive's"), 1));
  EXPECT_TRUE(commit(restore).replaced);
  EXPECT_EQ(stored("a").row.key, agent);
  EXPECT_EQ(stored("a").row.uid, "uid-a");
  EXPECT_EQ(stored("a").row.manifest, R"({"spec":1})");
  EXPECT_EQ(stored("a").state, restore.state);
  EXPECT_EQ(reader->get_item(agent, ItemKind::kSchedule, "s").value()->value, "its own");
}

TEST_F(RestoreTest, never_takes_the_place_of_an_agent_that_has_worked) {
  const AgentKey agent = add("a");
  commit(tick(agent, 1, R"({"mine":1})"));
  const Applied applied = apply(restore);
  EXPECT_EQ(applied.kind, Applied::Kind::kRefused);
  EXPECT_EQ(applied.error.reason, "AlreadyExists");
  EXPECT_EQ(stored("a").state, R"({"mine":1})");
}

TEST_F(RestoreTest, leaves_nothing_of_an_agent_that_is_too_large) {
  restore.max_storage_bytes = 10;
  const Applied applied = apply(restore);
  EXPECT_EQ(applied.kind, Applied::Kind::kRefused);
  EXPECT_EQ(applied.error.code, Code::kLimitExceeded);
  EXPECT_EQ(count("agent") + count("state") + count("item"), 0);
}

}  // namespace
}  // namespace oa::runtime
