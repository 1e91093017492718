#include "runtime-pod/transfer/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime-pod/agent/rows.h"
#include "runtime-pod/transfer/archive.h"
#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

using ::testing::ElementsAre;

const AgentId kAgent{"default", "a"};

// An archive with one tick, and rows of most kinds.
class Imports : public testing::Test {
 protected:
  Imports() {
    record.hash = next_hash(kChainStart, {.agent = "default/a",
                                          .sequence = 1,
                                          .kind = 1,
                                          .tick = 4,
                                          .time = record.time,
                                          .record = record.text});
    manifest.row = {.id = kAgent, .uid = "uid", .created = Time(Duration(1))};
    manifest.row.manifest =
        R"({"metadata":{"name":"a","namespace":"default"},"spec":{"config":{"maxStorageBytes":"1Mi"}}})";
    manifest.head = {.version = 5, .tick = 4, .ordinal = 6};
    manifest.public_key = crypto::to_pem(key.public_key());
    manifest.audit_head = sign_anchor(key, "default/a", 1, record.hash, Time());
    rows = line(ItemKind::kKv, "k", "v") +
           line(ItemKind::kInbox, "0000000000000001", encode(InboxRow{})) +
           line(ItemKind::kReplay, "r", encode(ReplayRow{})) +
           line(ItemKind::kOutbox, "0000000000000002", encode(OutboxRow{})) +
           line(ItemKind::kAlarm, "al", encode(AlarmRow{.name = "al"})) +
           line(ItemKind::kJob, "done", encode(JobRow{.id = "done", .finished = Time()})) +
           line(ItemKind::kJob, "open", encode(JobRow{.id = "open"}));
  }

  static std::string line(ItemKind kind, std::string name, std::string value) {
    return item_line(kind, {.key = std::move(name), .value = std::move(value), .number = 3});
  }

  Result<Archive> open() {
    auto file = NamelessFile::make(dir.path()).value();
    ArchiveWriter writer(file, Time());
    const auto add = [&writer](const char* name, const std::string& content) {
      writer.begin(name);
      writer.add(content);
    };
    add("manifest.json", to_json(manifest).dump());
    add("state.json", state);
    add("rows.jsonl", rows);
    add("log.jsonl", record_line(record));
    const auto size = static_cast<std::size_t>(writer.finish().value());
    return open_archive(file.read_at(0, size).value(), 2);
  }

  static std::vector<std::string> keys_of(const std::vector<ItemWrite>& items) {
    std::vector<std::string> keys;
    for (const ItemWrite& item : items) keys.push_back(item.key);
    return keys;
  }

  oa::test::TempDir dir;
  crypto::Ed25519PrivateKey key = crypto::Ed25519PrivateKey::generate();
  ArchiveManifest manifest;
  LogRecord record{.tick = 4, .number = 1, .time = Time(Duration(9)), .text = "{}"};
  std::string state = R"({"n":1})";
  std::string rows;
};

TEST_F(Imports, restore_an_agent_as_it_was) {
  auto archive = open();
  ASSERT_TRUE(archive) << archive.error().detail;
  const auto restore = plan_restore(std::move(*archive), kAgent);
  ASSERT_TRUE(restore);
  EXPECT_EQ(restore->row.uid, "uid");
  EXPECT_EQ(restore->state, state);
  EXPECT_EQ(restore->items.size(), 7u);
  EXPECT_EQ(restore->items[0].number, 3);
  EXPECT_EQ(restore->records.size(), 1u);
  EXPECT_EQ(restore->head.version, 5);
  EXPECT_EQ(restore->max_storage_bytes, 1024 * 1024);
  EXPECT_EQ(restore->record, "");
  EXPECT_FALSE(plan_restore(std::move(*open()), {"default", "b"}));
}

TEST_F(Imports, clone_what_an_agent_knows_and_not_what_it_is_in_the_middle_of) {
  const auto clone = plan_clone(std::move(*open()), {"team", "b"}, "new-uid", Time(Duration(50)));
  ASSERT_TRUE(clone);
  EXPECT_EQ(to_string(clone->row.id), "team/b");
  EXPECT_EQ(clone->row.uid, "new-uid");
  const Json made = Json::parse(clone->row.manifest);
  EXPECT_EQ(made["metadata"]["name"], "b");
  EXPECT_EQ(made["metadata"]["namespace"], "team");
  EXPECT_THAT(keys_of(clone->items), ElementsAre("k", "al", "done"));
  EXPECT_TRUE(clone->records.empty());
  EXPECT_EQ(clone->head.version, 6);
  EXPECT_EQ(Json::parse(clone->record)["origin"]["agent"], "default/a");
}

TEST_F(Imports, merge_keys_only_where_there_are_none) {
  const auto items = plan_merge(std::move(*open()));
  ASSERT_THAT(keys_of(items), ElementsAre("k"));
  EXPECT_FALSE(items[0].number);
  EXPECT_TRUE(items[0].condition.must_be_absent);
  EXPECT_TRUE(items[0].condition.or_skip);
}

TEST_F(Imports, refuse_an_archive_that_does_not_hold_together) {
  const auto reason = [this] { return open().error().reason; };
  const std::string good = rows;
  rows = good + line(ItemKind::kKv, "again", "v");
  EXPECT_EQ(reason(), "ArchiveDamaged") << "rows out of order";
  rows = good + "{}";
  EXPECT_EQ(reason(), "ArchiveDamaged") << "a line without its end";
  rows = good;
  state = "{";
  EXPECT_EQ(reason(), "ArchiveDamaged") << "no state";
  state = "{}";
  record.text = R"({"changed":true})";
  EXPECT_EQ(reason(), "AuditChainBroken");
  record.text = "{}";
  manifest.audit_head.sequence = 2;
  EXPECT_EQ(reason(), "SignatureInvalid");
  manifest.audit_head = sign_anchor(key, "default/a", 2, record.hash, Time());
  EXPECT_EQ(reason(), "AuditChainBroken") << "a record is missing";
}

}  // namespace
}  // namespace oa::runtime
