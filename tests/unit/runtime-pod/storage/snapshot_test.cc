#include "runtime-pod/storage/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/storage/store_fixture.h"

namespace oa::runtime {
namespace {

using test::expiry_at;
using test::put_item;
using test::put_key;
using test::tick;
using ::testing::ElementsAre;

class SnapshotTest : public test::TablesTest {
 protected:
  Snapshot snapshot() { return Snapshot::open(dir.file("x.db")).value(); }

  static std::vector<std::string> keys_of(Snapshot& snapshot, AgentKey agent) {
    std::vector<std::string> keys;
    EXPECT_TRUE(snapshot.each_item(agent, [&](ItemKind, const Item& item) -> Result<void> {
      keys.push_back(item.key);
      return {};
    }));
    return keys;
  }
};

TEST_F(SnapshotTest, has_every_agent_with_its_state) {
  commit(tick(add("a"), 1, R"({"n":1})"));
  commit(tick(add("b"), 1, "\"" + std::string(5000, 'x') + "\""));
  Snapshot at = snapshot();
  std::vector<std::size_t> sizes;
  ASSERT_TRUE(at.each_agent([&](const StoredAgent& agent) -> Result<void> {
    sizes.push_back(agent.state->size());
    return {};
  }));
  EXPECT_THAT(sizes, ElementsAre(7, 5002));
  EXPECT_EQ(at.find_agent({"default", "b"}).value()->row.uid, "uid-b");
  EXPECT_FALSE(at.find_agent({"default", "c"}).value());
}

TEST_F(SnapshotTest, stays_as_it_was_while_others_write) {
  const AgentKey agent = add("a");
  add_rows(agent, {put_key("k1", "v"), put_item(ItemKind::kReplay, "r", "x", expiry_at(7))});
  Snapshot before = snapshot();
  add_rows(agent, {put_key("k2", "v")});
  EXPECT_THAT(keys_of(before, agent), ElementsAre("k1", "r"));
  Snapshot after = snapshot();
  EXPECT_THAT(keys_of(after, agent), ElementsAre("k1", "k2", "r"));
}

TEST_F(SnapshotTest, gives_records_oldest_first) {
  const AgentKey agent = add("a");
  const AgentKey other = add("b");
  for (int version = 1; version <= 3; ++version) {
    commit(tick(agent, version));
    commit(tick(other, version));
  }
  Snapshot at = snapshot();
  std::vector<std::int64_t> numbers;
  const StoredAgent found = *at.find_agent({"default", "a"}).value();
  ASSERT_TRUE(at.each_record(found, [&](const LogRecord& record) -> Result<void> {
    numbers.push_back(record.number);
    return {};
  }));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3));
  EXPECT_FALSE(at.find_anchor(agent).value());
}

TEST_F(SnapshotTest, ends_a_walk_with_the_error_of_whoever_walks) {
  const AgentKey agent = add("a");
  add_rows(agent, {put_key("k1", "v"), put_key("k2", "v")});
  Snapshot at = snapshot();
  int seen = 0;
  const auto walked = at.each_item(agent, [&](ItemKind, const Item&) -> Result<void> {
    ++seen;
    return make_error(Code::kTimeout, "enough");
  });
  ASSERT_FALSE(walked);
  EXPECT_EQ(walked.error().code, Code::kTimeout);
  EXPECT_EQ(seen, 1);
}

TEST(Snapshot, is_of_a_database_that_is_there) {
  EXPECT_EQ(Snapshot::open("no-such-file.db").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace oa::runtime
