#include "runtime-pod/agent/tick.h"

#include <gtest/gtest.h>

#include "core/json.h"

namespace oa::runtime {
namespace {

const WriteSource kSource{{"default", "a"}, "", Time(std::chrono::hours(24))};

TEST(Tick, writes_ids_that_sort_as_they_count) {
  EXPECT_EQ(tick_id(42), "t-000000000042");
  EXPECT_LT(tick_id(9), tick_id(10));
}

TEST(Tick, records_what_was_committed) {
  const Json record = Json::parse(record_text({.tick = 7,
                                               .attempt = 2,
                                               .trigger = TriggerType::kRequest,
                                               .envelope_id = "e",
                                               .source = "http",
                                               .duration = std::chrono::microseconds(1500)}));
  EXPECT_EQ(record, Json::parse(R"({"tickId": "t-000000000007", "trigger": "Request",
      "envelopeId": "e", "source": "http", "attempt": 2, "outcome": "Committed",
      "durationMs": 1.5, "writes": {"rows": 0, "bytes": 0}})"));
  EXPECT_EQ(Json::parse(record_text({.trace_id = "abc"}))["traceId"], "abc");
}

TEST(Tick, encodes_replies_as_json_or_passes_bytes_on) {
  const Reply text = encode_reply({.kind = Payload::Kind::kText, .data = "a \"b\""});
  EXPECT_FALSE(text.is_raw);
  EXPECT_EQ(text.body, R"("a \"b\"")");
  EXPECT_EQ(encode_reply({.kind = Payload::Kind::kJson, .json = {1, 2}}).body, "[1,2]");
  const Reply bytes = encode_reply({.kind = Payload::Kind::kBytes, .data = "\xff"});
  EXPECT_TRUE(bytes.is_raw);
  EXPECT_EQ(bytes.body, "\xff");
  EXPECT_EQ(bytes.content_type, "application/octet-stream");
}

TEST(Tick, takes_the_last_write_of_each_key) {
  TickOutcome outcome;
  outcome.state = std::make_shared<const Json>(Json{{"n", 1}});
  outcome.writes.kv = {{"a", "1"}, {"b", "2"}, {"a", std::nullopt}};
  const auto set = make_write_set(outcome.state, outcome.writes, kSource, "e");
  ASSERT_TRUE(set);
  EXPECT_EQ(set->state, R"({"n":1})");
  ASSERT_EQ(set->items.size(), 2u);
  EXPECT_EQ(set->items[0].key, "b");
  EXPECT_EQ(set->items[1].key, "a");
  EXPECT_FALSE(set->items[1].value);
}

TEST(Tick, refuses_write_sets_over_the_bound) {
  TickWrites writes;
  for (int i = 0; i < 9; ++i) {
    writes.kv.push_back({std::to_string(i), std::string(1024 * 1024, 'x')});
  }
  const auto set = make_write_set(nullptr, writes, kSource, "e");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Code::kLimitExceeded);
  EXPECT_EQ(set.error().reason, "StorageLimit");
}

TEST(Tick, sends_what_leaves_the_agent_through_its_outbox) {
  TickWrites writes;
  writes.sends = {{"b", {{"n", 1}}}, {"team/c", 2}, {"http://127.0.0.1:9/agents/d", 3}};
  writes.effects = {{.key = "charge-17", .url = "https://pay.example/charge"}};
  const auto set = make_write_set(nullptr, writes, kSource, "e");
  ASSERT_TRUE(set) << set.error().detail;
  ASSERT_EQ(set->outbox.size(), 4u);
  EXPECT_EQ(set->outbox[0].to, "default/b");
  EXPECT_EQ(set->outbox[0].id, "e/1");
  EXPECT_EQ(set->outbox[1].destination, "agent team/c");
  EXPECT_EQ(set->outbox[2].destination, "http://127.0.0.1:9/");
  EXPECT_EQ(set->outbox[3].id, "charge-17");
  EXPECT_EQ(set->outbox[3].destination, "https://pay.example/");
}

TEST(Tick, refuses_frames_and_tags_that_no_socket_can_have) {
  const auto refuses = [](SocketAction action) {
    TickWrites writes;
    writes.sockets.push_back(std::move(action));
    return !make_write_set(nullptr, writes, kSource, "e");
  };
  EXPECT_FALSE(refuses(SocketSend{"c", "text"}));
  EXPECT_FALSE(refuses(SocketSend{"c", "\xff", true}));
  EXPECT_TRUE(refuses(SocketSend{"c", "\xff"}));
  EXPECT_TRUE(refuses(SocketSend{"c", std::string(kMaxWriteSetBytes + 1, 'x')}));
  EXPECT_FALSE(refuses(SocketUpdate{"c", std::vector<std::string>(kMaxSocketTags, "room"), {}}));
  EXPECT_TRUE(refuses(SocketUpdate{"c", std::vector<std::string>(kMaxSocketTags + 1, "room"), {}}));
  EXPECT_TRUE(refuses(SocketUpdate{"c", std::vector<std::string>{""}, {}}));
}

TEST(Tick, refuses_what_cannot_be_sent_or_set) {
  TickWrites nowhere;
  nowhere.sends = {{"No Agent", 1}};
  EXPECT_FALSE(make_write_set(nullptr, nowhere, kSource, "e"));
  TickWrites misnamed;
  misnamed.alarms = {AlarmSet{"a\nb", kSource.now}};
  EXPECT_FALSE(make_write_set(nullptr, misnamed, kSource, "e"));
  TickWrites secret;
  secret.effects = {
      {.key = "k", .url = "https://pay.example/", .headers = {{"Authorization", "Bearer x"}}}};
  EXPECT_FALSE(make_write_set(nullptr, secret, kSource, "e"));
  TickWrites keyless;
  keyless.effects = {{.key = "", .url = "https://pay.example/"}};
  EXPECT_FALSE(make_write_set(nullptr, keyless, kSource, "e"));
}

TEST(Tick, gives_out_ordinals_to_rows_that_ask_for_one) {
  std::vector<ItemWrite> items = {
      {.kind = ItemKind::kOutbox, .value = "", .number = kNextOrdinal},
      {.kind = ItemKind::kKv, .key = "k", .value = ""},
      {.kind = ItemKind::kAlarm, .key = "n", .value = "", .number = kNextOrdinal}};
  std::int64_t last = 41;
  give_ordinals(items, last);
  EXPECT_EQ(items[0].key, ordinal_key(42));
  EXPECT_EQ(items[1].number, std::nullopt);
  EXPECT_EQ(items[2].key, "n");
  EXPECT_EQ(items[2].number, 43);
  EXPECT_EQ(last, 43);
}

TEST(Tick, counts_the_use_of_each_day_for_itself) {
  const Time noon(std::chrono::hours(36));
  const DayUse once = add_use({}, noon, {.ticks = 1, .bytes = 100, .iterations = 3});
  EXPECT_EQ(once, (DayUse{.day = 1, .ticks = 1, .bytes = 100, .iterations = 3}));
  EXPECT_EQ(add_use(once, noon, {.ticks = 1}).ticks, 2);
  EXPECT_EQ(add_use(once, noon + std::chrono::hours(12), {.ticks = 1}).ticks, 1);
  EXPECT_TRUE(check_budget({.ticks_per_day = 2}, once, noon));
  const auto over = check_budget({.iterations_per_day = 3}, once, noon);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().reason, "BudgetExceeded");
  EXPECT_TRUE(check_budget({.iterations_per_day = 3}, once, noon + std::chrono::hours(12)));
}

TEST(Tick, checks_keys_and_values) {
  EXPECT_TRUE(check_kv_key("a"));
  EXPECT_TRUE(check_kv_key(std::string(512, 'k')));
  EXPECT_TRUE(check_kv_key("schl\xc3\xbcssel/1"));
  for (const std::string& key :
       {std::string(), std::string(513, 'k'), std::string("\xff"), std::string("a\0b", 3)}) {
    EXPECT_EQ(check_kv_key(key).error().code, Code::kInvalidRequest);
  }
  EXPECT_TRUE(check_kv_value("a", std::string(kMaxKvValueBytes, 'v')));
  EXPECT_EQ(check_kv_value("a", std::string(kMaxKvValueBytes + 1, 'v')).error().reason,
            "PayloadTooLarge");
}

}  // namespace
}  // namespace oa::runtime
