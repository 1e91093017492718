// Rows that have a time.
#include <gtest/gtest.h>

#include "runtime-pod/storage/sweeper.h"
#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using DueTest = test::TablesTest;
using test::delete_item;
using test::expiry_at;
using test::put_item;
using test::work_at;

constexpr Time at(std::int64_t second) { return Time(std::chrono::seconds(second)); }

TEST_F(DueTest, rows_are_listed_in_order_and_page_by_page) {
  const AgentKey a = add("a");
  const AgentKey b = add("b");
  add_rows(a, {put_item(ItemKind::kAlarm, "late", "", work_at(30)),
               put_item(ItemKind::kAlarm, "same", "", work_at(20)),
               put_item(ItemKind::kJob, "same", "", work_at(20)),
               put_item(ItemKind::kReplay, "old", "", expiry_at(1)),
               put_item(ItemKind::kAlarm, "never", "")});
  add_rows(b, {put_item(ItemKind::kAlarm, "early", "", work_at(10)),
               put_item(ItemKind::kAlarm, "same", "", work_at(20))});
  std::vector<std::string> seen;
  std::optional<DueRow> last;
  for (;;) {
    const auto rows = reader->due_rows(Due::Class::kWork, last, at(25), 2).value();
    for (const DueRow& row : rows) seen.push_back(std::to_string(row.agent) + row.key);
    if (rows.size() < 2) break;
    last = rows.back();
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"2early", "1same", "1same", "2same"}));
  EXPECT_EQ(reader->due_rows(Due::Class::kExpiry, {}, at(25), 9).value().size(), 1u);
}

TEST_F(DueTest, rows_follow_their_item_when_it_is_written_again_and_deleted) {
  const AgentKey agent = add("a");
  add_rows(agent, {put_item(ItemKind::kAlarm, "k", "", work_at(10))});
  add_rows(agent, {put_item(ItemKind::kAlarm, "k", "", work_at(20))});
  const auto rows = reader->due_rows(Due::Class::kWork, {}, at(99), 9).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0], (DueRow{at(20), agent, ItemKind::kAlarm, "k"}));
  add_rows(agent, {put_item(ItemKind::kAlarm, "k", "")});
  EXPECT_TRUE(reader->due_rows(Due::Class::kWork, {}, at(99), 9).value().empty());
  add_rows(agent, {put_item(ItemKind::kAlarm, "k", "", work_at(30))});
  add_rows(agent, {delete_item(ItemKind::kAlarm, "k")});
  EXPECT_TRUE(reader->due_rows(Due::Class::kWork, {}, at(99), 9).value().empty());
}

TEST_F(DueTest, the_next_wake_is_the_earliest_work_of_living_agents) {  // I5
  EXPECT_FALSE(reader->next_due().value());
  const AgentKey a = add("a");
  const AgentKey b = add("b");
  EXPECT_FALSE(reader->next_due(a).value());
  add_rows(a, {put_item(ItemKind::kReplay, "k", "", expiry_at(1)),
               put_item(ItemKind::kEffect, "k", "", expiry_at(1)),
               put_item(ItemKind::kAlarm, "1", "", work_at(30)),
               put_item(ItemKind::kOutbox, "2", "", work_at(20))});
  add_rows(b, {put_item(ItemKind::kInbox, "1", "", work_at(10))});
  EXPECT_EQ(reader->next_due().value(), at(10));
  EXPECT_EQ(reader->next_due(a).value(), at(20));
  EXPECT_EQ(reader->next_due(b).value(), at(10));
  commit(AgentRemove{b});
  EXPECT_EQ(reader->next_due().value(), at(20));
  EXPECT_EQ(reader->due_rows(Due::Class::kWork, {}, at(99), 9).value().size(), 2u);
}

TEST_F(DueTest, expired_rows_are_taken_away_and_counted_off) {
  const AgentKey agent = add("a");
  std::vector<ItemWrite> items;
  for (int i = 0; i < 300; ++i) {
    items.push_back(put_item(ItemKind::kJob, "job-" + std::to_string(i), "12345", expiry_at(i)));
    items.push_back(put_item(ItemKind::kEnvelope, "id-" + std::to_string(i), "", expiry_at(i)));
  }
  items.push_back(put_item(ItemKind::kAlarm, "stays", "", work_at(1)));
  const std::int64_t before = add_rows(agent, items).committed.head.bytes;
  EXPECT_GT(sweep_all(at(149)), 1);
  EXPECT_EQ(count("item"), 301);
  const std::int64_t gone = 10 * (5 + 5) + 90 * (6 + 5) + 50 * (7 + 5);
  EXPECT_EQ(stored("a").head.bytes, before - gone);
  EXPECT_EQ(sweep_all(at(149)), 0);
}

}  // namespace
}  // namespace oa::runtime
