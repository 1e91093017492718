#include "runtime-pod/transfer/document.h"

#include <gtest/gtest.h>

#include "runtime-pod/agent/rows.h"

namespace oa::runtime {
namespace {

std::string without_newline(std::string line) {
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  line.pop_back();
  return line;
}

TEST(ItemLine, is_read_as_it_was_written) {
  const Item item{.key = "k\nwith \"quotes\"",
                  .value = std::string("\0\xff bytes", 8),
                  .content_type = "text/plain",
                  .number = 7,
                  .due = Due{Due::Class::kExpiry, Time(Duration(5))}};
  const auto read = parse_item_line(without_newline(item_line(ItemKind::kKv, item)));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->kind, ItemKind::kKv);
  EXPECT_EQ(read->key, item.key);
  EXPECT_EQ(read->value, item.value);
  EXPECT_EQ(read->content_type, item.content_type);
  EXPECT_EQ(read->number, item.number);
  EXPECT_EQ(read->due, item.due);
}

TEST(ItemLine, names_each_kind) {
  const AlarmRow alarm{.name = "a", .at = Time(Duration(9))};
  const Item item{.key = "a",
                  .value = encode(alarm),
                  .number = 1,
                  .due = Due{Due::Class::kWork, Time(Duration(9))}};
  const std::string line = without_newline(item_line(ItemKind::kAlarm, item));
  EXPECT_NE(line.find(R"("kind":"alarm")"), std::string::npos);
  EXPECT_EQ(parse_item_line(line)->due, item.due);
}

TEST(ItemLine, is_refused_unless_its_row_can_be_read) {
  for (const char* line : {
           "",
           "[]",
           R"({"kind":"kv"})",
           R"({"kind":"frob","key":"k","number":1,"value":"v"})",
           R"({"kind":"kv","key":"","number":1,"value":"v"})",
           R"({"kind":"kv","key":"k","number":"1","value":"v"})",
           R"({"kind":"kv","key":"k","number":1,"valueBase64":"%"})",
           R"({"kind":"kv","key":"k","number":1,"value":"v","due":{"class":"Work","micros":1}})",
           R"({"kind":"inbox","key":"k","number":1,"value":"no row"})",
           R"({"kind":"outbox","key":"k","number":1,"value":"[]"})",
       }) {
    const auto read = parse_item_line(line);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().reason, "ArchiveDamaged") << line;
  }
}

TEST(RecordLine, is_read_as_it_was_written) {
  const LogRecord tick{.tick = 3,
                       .number = 2,
                       .time = Time(Duration(1'700'000'000'123'456)),
                       .text = R"({"outcome":"Committed"})",
                       .hash = {1, 2, 3}};
  const auto read = parse_record_line(without_newline(record_line(tick)));
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->tick, 3);
  EXPECT_EQ(read->number, 2);
  EXPECT_EQ(read->time, tick.time);
  EXPECT_EQ(read->text, tick.text);
  EXPECT_EQ(read->hash, tick.hash);
  const LogRecord events{.kind = LogKind::kEvent, .tick = 3, .time = tick.time, .text = "[]"};
  EXPECT_EQ(parse_record_line(without_newline(record_line(events)))->kind, LogKind::kEvent);
}

TEST(RecordLine, is_refused_unless_it_is_whole) {
  for (
      const char* line : {
          R"({"kind":"tick","tick":1,"sequence":1,"time":"x","hash":"00","record":"{}"})",
          R"({"kind":"tick","tick":1,"sequence":1,"time":"2026-01-01T00:00:00Z","hash":"00","record":"{}"})",
          R"({"kind":"event","tick":1,"time":"2026-01-01T00:00:00Z","record":"{}"})",
          R"({"kind":"other","tick":1,"time":"2026-01-01T00:00:00Z","record":"{}"})",
      }) {
    EXPECT_FALSE(parse_record_line(line)) << line;
  }
}

TEST(ArchiveManifest, of_a_later_version_or_schema_is_refused_as_too_new) {
  ArchiveManifest manifest{.schema = 2, .row = {.id = {"default", "a"}, .uid = "u"}};
  manifest.row.manifest = "{}";
  EXPECT_TRUE(parse_archive_manifest(to_json(manifest).dump(), 2));
  EXPECT_EQ(parse_archive_manifest(to_json(manifest).dump(), 1).error().reason, "ArchiveTooNew");
  OrderedJson later = to_json(manifest);
  later["version"] = kArchiveVersion + 1;
  EXPECT_EQ(parse_archive_manifest(later.dump(), 2).error().reason, "ArchiveTooNew");
  later.erase("version");
  EXPECT_EQ(parse_archive_manifest(later.dump(), 2).error().reason, "ArchiveDamaged");
}

}  // namespace
}  // namespace oa::runtime
