// An agent's log: its two chains, how they are read, and how they are trimmed.
#include <gtest/gtest.h>

#include "runtime-pod/storage/reader.h"
#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using test::put_agent;
using test::tick;

constexpr std::chrono::hours kDay{24};

class LogTest : public test::TablesTest {
 protected:
  // Agent `name` keeps ticks for ten days and events for one, and 1 MiB of each.
  AgentKey add_with_retention(const std::string& name) {
    AgentPut put = put_agent(name);
    put.retention = RetentionConfig{10 * kDay, 1 << 20, kDay, 1 << 20};
    return commit(put).row.key;
  }
  Committed log(AgentKey agent, std::int64_t version, Time time, std::size_t bytes = 10) {
    AgentCommit change = tick(agent, version);
    change.time = time;
    change.record = std::string(bytes, 'r');
    change.events = std::string(bytes, 'e');
    return commit(change);
  }
  std::int64_t count_of(LogKind kind) {
    return db
        .query_integer("SELECT count(*) FROM log WHERE kind = " +
                       std::to_string(static_cast<int>(kind)))
        .value();
  }
};

TEST_F(LogTest, numbers_ticks_and_chains_their_hashes) {
  const AgentKey agent = add("a");
  const AgentKey other = add("bb");
  commit(tick(agent, 1));
  commit(tick(other, 1));
  const Committed last = commit(tick(agent, 2));
  EXPECT_EQ(last.head.number, 2);
  EXPECT_EQ(last.head.hash[0], 2);
  const auto page = reader->list_log(agent, last.head.log, 10).value();
  ASSERT_EQ(page.items.size(), 2u);
  EXPECT_EQ(page.items[0].number, 2);
  EXPECT_EQ(page.items[0].hash, last.head.hash);
  EXPECT_EQ(page.items[1].number, 1);
  EXPECT_EQ(page.items[1].hash[0], 1);
  EXPECT_EQ(page.items[1].hash[3], std::string("default/a").size());
  EXPECT_EQ(stored("a").head.hash, last.head.hash);
}

TEST_F(LogTest, feeds_ticks_and_events_in_the_order_of_their_commits) {
  const AgentKey agent = add("a");
  const AgentKey other = add("b");
  for (int version = 1; version <= 4; ++version) {
    AgentCommit change = tick(agent, version);
    if (version != 2) change.events = "[" + std::to_string(version) + "]";
    commit(change);
    commit(tick(other, version));
  }
  const Feed first = reader->read_feed(agent, 0, 3).value();
  ASSERT_EQ(first.records.size(), 3u);
  EXPECT_TRUE(first.more);
  EXPECT_FALSE(first.oldest);
  EXPECT_EQ(first.records[0].kind, LogKind::kTick);
  EXPECT_EQ(first.records[1].text, "[1]");
  EXPECT_EQ(first.records[2].tick, 2);
  const Feed rest = reader->read_feed(agent, first.records.back().id, 100).value();
  ASSERT_EQ(rest.records.size(), 4u);
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(rest.records[3].text, "[4]");
  EXPECT_EQ(rest.records[3].id, stored("a").head.event);
  EXPECT_TRUE(reader->read_feed(agent, rest.records[3].id, 100).value().records.empty());
  EXPECT_TRUE(reader->read_feed(99, 0, 100).value().records.empty());
}

TEST_F(LogTest, tells_a_reader_that_is_too_far_behind_where_to_go_on) {
  const AgentKey agent = add("a");
  ASSERT_TRUE(db.execute("BEGIN"));
  for (int version = 1; version <= kMaxFeedRecords + 50; ++version) {
    changes->apply(tick(agent, version));
  }
  ASSERT_TRUE(db.execute("COMMIT"));
  const Feed feed = reader->read_feed(agent, 20, 10).value();
  EXPECT_EQ(feed.oldest, 51);
  EXPECT_EQ(feed.records.at(0).id, 51);
  EXPECT_TRUE(feed.more);
  EXPECT_FALSE(reader->read_feed(agent, 50, 10).value().oldest);
}

TEST_F(LogTest, keeps_each_kind_of_record_as_long_as_the_agent_says) {
  const AgentKey agent = add_with_retention("a");
  const AgentKey keeper = add("keeper");
  for (int hour = 1; hour <= 20 * 24; ++hour) {
    log(agent, hour, Time(std::chrono::hours(hour)));
    log(keeper, hour, Time(std::chrono::hours(hour)));
  }
  sweep_all(Time(20 * kDay));
  // A mark comes with every sixteenth of the age, so at most that much too little is kept.
  const std::int64_t kept = 20 * 24;
  EXPECT_GE(count_of(LogKind::kTick) - kept, 10 * 24 - 1);
  EXPECT_LE(count_of(LogKind::kTick) - kept, 11 * 24);
  EXPECT_GE(count_of(LogKind::kEvent) - kept, 24 - 1);
  EXPECT_LE(count_of(LogKind::kEvent) - kept, 26);

  const AgentHead head = stored("a").head;
  const auto page = reader->list_log(agent, head.log, 1000).value();
  EXPECT_EQ(page.items.size(), static_cast<std::size_t>(count_of(LogKind::kTick) - kept));
  const LogAnchor anchor = reader->find_anchor(agent).value().value();
  EXPECT_EQ(anchor.number + 1, page.items.back().number);
  EXPECT_EQ(anchor.hash[0] + 1, page.items.back().hash[0]);
  EXPECT_FALSE(reader->find_anchor(keeper).value());

  const Feed feed = reader->read_feed(agent, 0, 1000).value();
  ASSERT_TRUE(feed.oldest);
  EXPECT_EQ(feed.records.at(0).id, *feed.oldest);
  EXPECT_EQ(feed.records.back().id, head.event);
}

TEST_F(LogTest, keeps_as_many_bytes_as_the_agent_says) {
  const AgentKey agent = add_with_retention("a");
  for (int version = 1; version <= 3000; ++version) {
    log(agent, version, Time(std::chrono::seconds(version)), 1000);
  }
  sweep_all(Time(std::chrono::seconds(3000)));
  for (const LogKind kind : {LogKind::kTick, LogKind::kEvent}) {
    EXPECT_GT(count_of(kind), 900);
    EXPECT_LT(count_of(kind), 1200);
  }
  EXPECT_EQ(reader->find_anchor(agent).value()->number + count_of(LogKind::kTick), 3000);
}

TEST_F(LogTest, keeps_the_newest_record_whatever_its_age) {
  const AgentKey agent = add_with_retention("a");
  const AgentHead head = log(agent, 1, Time(kDay)).head;
  sweep_all(Time(1000 * kDay));
  EXPECT_EQ(reader->list_log(agent, head.log, 10).value().items.size(), 1u);
  EXPECT_EQ(log(agent, 2, Time(1001 * kDay)).head.number, 2);
  sweep_all(Time(2000 * kDay));
  EXPECT_EQ(reader->find_anchor(agent).value()->number, 1);
}

TEST_F(LogTest, trims_by_another_age_once_the_agent_has_one) {
  const AgentKey agent = add_with_retention("a");
  for (int hour = 1; hour <= 48; ++hour) log(agent, hour, Time(std::chrono::hours(hour)));
  sweep_all(Time(2 * kDay));
  EXPECT_EQ(count_of(LogKind::kTick), 48);
  AgentPut put = put_agent("a");
  put.retention = RetentionConfig{kDay, 1 << 20, kDay, 1 << 20};
  commit(put);
  sweep_all(Time(2 * kDay));
  EXPECT_LT(count_of(LogKind::kTick), 48);
}

TEST_F(LogTest, never_uses_an_id_again) {
  const AgentKey agent = add("a");
  const std::int64_t last = commit(tick(agent, 1)).head.log;
  commit(AgentRemove{agent});
  sweep_all(Time());
  EXPECT_EQ(count("log"), 0);
  changes.emplace(Changes::prepare(db, test::seal).value());  // as another process does
  EXPECT_GT(commit(tick(add("b"), 1)).head.log, last);
}

}  // namespace
}  // namespace oa::runtime
