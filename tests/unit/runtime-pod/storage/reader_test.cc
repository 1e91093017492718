#include "runtime-pod/storage/reader.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using test::put_agent;
using test::put_key;
using test::tick;

using ReaderTest = test::TablesTest;

TEST_F(ReaderTest, finds_nothing_where_nothing_is) {
  EXPECT_FALSE(reader->find_agent({"default", "a"}).value());
  EXPECT_FALSE(reader->get_item(1, ItemKind::kKv, "k").value());
  EXPECT_TRUE(
      reader->list_items(1, ItemKind::kKv, "", "", 10, Values::kLeaveOut).value().items.empty());
  EXPECT_TRUE(reader->list_log(1, 0, 10).value().items.empty());
}

TEST_F(ReaderTest, lists_keys_by_prefix_and_page) {
  const AgentKey agent = commit(put_agent("a")).row.key;
  const AgentKey other = commit(put_agent("b")).row.key;
  AgentCommit keys = tick(agent, 1);
  for (const char* key : {"a", "b/1", "b/2", "b/3", "b\xc3\xa9", "c"}) {
    keys.items.push_back(put_key(key, "value"));
  }
  commit(keys);
  keys = tick(other, 1);
  keys.items = {put_key("b/9", "v")};
  commit(keys);

  const auto first =
      reader->list_items(agent, ItemKind::kKv, "b/", "", 2, Values::kLeaveOut).value();
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].key, "b/1");
  EXPECT_EQ(first.items[0].bytes, 5);
  EXPECT_EQ(first.next, "b/2");
  const auto second =
      reader->list_items(agent, ItemKind::kKv, "b/", *first.next, 2, Values::kLeaveOut).value();
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.items[0].key, "b/3");
  EXPECT_FALSE(second.next);
  EXPECT_EQ(reader->list_items(agent, ItemKind::kKv, "", "", 1000, Values::kLeaveOut)
                .value()
                .items.size(),
            6u);
  EXPECT_EQ(reader->list_items(agent, ItemKind::kKv, "b", "", 1000, Values::kLeaveOut)
                .value()
                .items.size(),
            4u);
}

TEST_F(ReaderTest, lists_values_where_they_are_asked_for_and_ends_a_page_that_is_too_large) {
  const AgentKey agent = add("a");
  std::vector<ItemWrite> items;
  for (int i = 0; i < 5; ++i) {
    items.push_back(test::put_item(ItemKind::kJob, std::to_string(i),
                                   std::string(kMaxKvValueBytes, 'x'), test::expiry_at(7)));
  }
  add_rows(agent, items);
  const auto first =
      reader->list_items(agent, ItemKind::kJob, "", "", 10, Values::kInclude).value();
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].value.size(), kMaxKvValueBytes);
  EXPECT_EQ(first.items[0].due, test::expiry_at(7));
  EXPECT_EQ(first.next, "1");
  const auto keys =
      reader->list_items(agent, ItemKind::kJob, "", "", 10, Values::kLeaveOut).value();
  ASSERT_EQ(keys.items.size(), 5u);
  EXPECT_EQ(keys.items[0].value, "");
  EXPECT_EQ(keys.items[0].bytes, static_cast<std::int64_t>(kMaxKvValueBytes));
}

TEST_F(ReaderTest, finds_an_agent_by_its_key_too) {
  const AgentKey agent = add("a");
  commit(tick(agent, 1, "{}"));
  const StoredAgent found = reader->find_agent(agent).value().value();
  EXPECT_EQ(found.row.id, (AgentId{"default", "a"}));
  EXPECT_EQ(found.state, "{}");
  EXPECT_FALSE(reader->find_agent(agent + 1).value());
}

TEST_F(ReaderTest, reads_on_after_an_interruption) {
  const AgentKey agent = add("a");
  commit(tick(agent, 1));
  reader->interrupt();
  EXPECT_TRUE(reader->find_agent(agent).value());
  EXPECT_EQ(reader->read_feed(agent, 0, 10).value().records.size(), 1u);
}

TEST_F(ReaderTest, lists_agents_by_page) {
  for (const char* name : {"c", "a", "b"}) commit(put_agent(name));
  AgentPut elsewhere = put_agent("a");
  elsewhere.row.id.namespace_name = "team";
  commit(elsewhere);
  const auto first = reader->list_agents("default", "", 2).value();
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[1].id, (AgentId{"default", "b"}));
  const auto rest = reader->list_agents("default", first.next.value(), 2).value();
  ASSERT_EQ(rest.items.size(), 1u);
  EXPECT_FALSE(rest.next);
}

TEST_F(ReaderTest, walks_an_agents_log_from_its_newest_record) {
  const AgentKey agent = commit(put_agent("a")).row.key;
  const AgentKey other = commit(put_agent("b")).row.key;
  std::int64_t newest = 0;
  for (int version = 1; version <= 5; ++version) {
    newest = commit(tick(agent, version)).head.log;
    commit(tick(other, version));
  }
  const auto first = reader->list_log(agent, newest, 3).value();
  ASSERT_EQ(first.items.size(), 3u);
  EXPECT_EQ(first.items[0].tick, 5);
  EXPECT_EQ(first.items[2].tick, 3);
  const auto rest = reader->list_log(agent, first.next.value(), 3).value();
  ASSERT_EQ(rest.items.size(), 2u);
  EXPECT_EQ(rest.items[1].tick, 1);
  EXPECT_FALSE(rest.next);
  EXPECT_EQ(reader->list_log(other, newest, 3).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace oa::runtime
