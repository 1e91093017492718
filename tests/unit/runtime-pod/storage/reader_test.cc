#include "runtime-pod/storage/reader.h"

#include <gtest/gtest.h>

#include "runtime-pod/storage/changes.h"
#include "runtime-pod/storage/schema.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/storage/rows.h"

namespace oa::runtime {
namespace {

using test::put_agent;
using test::put_key;
using test::tick;

class ReaderTest : public testing::Test {
 protected:
  ReaderTest() : db(sqlite::Database::open(dir.file("x.db")).value()) {
    EXPECT_TRUE(prepare_writer(db));
    changes.emplace(Changes::prepare(db).value());
    reader.emplace(
        Reader::open(sqlite::Database::open(dir.file("x.db"), {.read_only = true}).value())
            .value());
  }
  Committed apply(const Change& change) {
    Applied applied = changes->apply(change);
    EXPECT_EQ(applied.kind, Applied::Kind::kWritten) << applied.error.detail;
    return applied.committed;
  }

  oa::test::TempDir dir;
  sqlite::Database db;
  std::optional<Changes> changes;
  std::optional<Reader> reader;
};

TEST_F(ReaderTest, finds_nothing_where_nothing_is) {
  EXPECT_FALSE(reader->find_agent({"default", "a"}).value());
  EXPECT_FALSE(reader->get_kv(1, "k").value());
  EXPECT_TRUE(reader->list_kv(1, "", "", 10).value().items.empty());
  EXPECT_TRUE(reader->list_log(1, 0, 10).value().items.empty());
}

TEST_F(ReaderTest, lists_keys_by_prefix_and_page) {
  const AgentKey agent = apply(put_agent("a")).row.key;
  const AgentKey other = apply(put_agent("b")).row.key;
  TickCommit commit = tick(agent, 1);
  for (const char* key : {"a", "b/1", "b/2", "b/3", "b\xc3\xa9", "c"}) {
    commit.kv.push_back(put_key(key, "value"));
  }
  apply(commit);
  commit = tick(other, 1);
  commit.kv = {put_key("b/9", "v")};
  apply(commit);

  const auto first = reader->list_kv(agent, "b/", "", 2).value();
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[0].key, "b/1");
  EXPECT_EQ(first.items[0].bytes, 5);
  EXPECT_EQ(first.next, "b/2");
  const auto second = reader->list_kv(agent, "b/", *first.next, 2).value();
  ASSERT_EQ(second.items.size(), 1u);
  EXPECT_EQ(second.items[0].key, "b/3");
  EXPECT_FALSE(second.next);
  EXPECT_EQ(reader->list_kv(agent, "", "", 1000).value().items.size(), 6u);
  EXPECT_EQ(reader->list_kv(agent, "b", "", 1000).value().items.size(), 4u);
}

TEST_F(ReaderTest, lists_agents_by_page) {
  for (const char* name : {"c", "a", "b"}) apply(put_agent(name));
  AgentPut elsewhere = put_agent("a");
  elsewhere.row.id.namespace_name = "team";
  apply(elsewhere);
  const auto first = reader->list_agents("default", "", 2).value();
  ASSERT_EQ(first.items.size(), 2u);
  EXPECT_EQ(first.items[1].id, (AgentId{"default", "b"}));
  const auto rest = reader->list_agents("default", first.next.value(), 2).value();
  ASSERT_EQ(rest.items.size(), 1u);
  EXPECT_FALSE(rest.next);
}

TEST_F(ReaderTest, walks_an_agents_log_from_its_newest_record) {
  const AgentKey agent = apply(put_agent("a")).row.key;
  const AgentKey other = apply(put_agent("b")).row.key;
  std::int64_t newest = 0;
  for (int version = 1; version <= 5; ++version) {
    newest = apply(tick(agent, version)).head.log;
    apply(tick(other, version));
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
