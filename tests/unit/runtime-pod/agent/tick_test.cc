#include "runtime-pod/agent/tick.h"

#include <gtest/gtest.h>

#include "core/json.h"

namespace oa::runtime {
namespace {

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
      "durationMs": 1.5})"));
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
  outcome.kv = {{"a", "1", "", {}}, {"b", "2", "", {}}, {"a", std::nullopt, "", {}}};
  const auto set = make_write_set(outcome);
  ASSERT_TRUE(set);
  EXPECT_EQ(set->state, R"({"n":1})");
  ASSERT_EQ(set->kv.size(), 2u);
  EXPECT_EQ(set->kv[0].key, "b");
  EXPECT_EQ(set->kv[1].key, "a");
  EXPECT_FALSE(set->kv[1].value);
}

TEST(Tick, refuses_write_sets_over_the_bound) {
  TickOutcome outcome;
  for (int i = 0; i < 9; ++i) {
    outcome.kv.push_back({std::to_string(i), std::string(1024 * 1024, 'x'), "", {}});
  }
  const auto set = make_write_set(outcome);
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Code::kLimitExceeded);
  EXPECT_EQ(set.error().reason, "StorageLimit");
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
