#include "core/envelope.h"

#include <gtest/gtest.h>

namespace oa {
namespace {

TEST(Payload, is_json_text_or_bytes_by_its_type_and_content) {
  EXPECT_EQ(read_payload("application/json", "{\"a\":1}")->json, (Json{{"a", 1}}));
  EXPECT_EQ(read_payload("Application/LD+JSON ; charset=utf-8", "3")->json, 3);
  EXPECT_EQ(read_payload("application/x-www-form-urlencoded", "hello")->kind, Payload::Kind::kText);
  EXPECT_EQ(read_payload("", "")->kind, Payload::Kind::kText);
  EXPECT_EQ(read_payload("text/plain", "\xFF\xFE")->kind, Payload::Kind::kBytes);
  EXPECT_EQ(read_payload("text/plain", "hi")->as_json(), "hi");
  EXPECT_EQ(read_payload("image/png", "\xFF")->as_json(), nullptr);
}

TEST(Payload, that_says_it_is_json_must_be_json) {
  const auto payload = read_payload("application/json", "{");
  ASSERT_FALSE(payload);
  EXPECT_EQ(payload.error().code, Code::kInvalidRequest);
}

TEST(Trigger, has_a_name_for_each_type) {
  EXPECT_EQ(trigger_name(TriggerType::kInitialize), "Initialize");
  EXPECT_EQ(trigger_name(TriggerType::kManual), "Manual");
}

}  // namespace
}  // namespace oa
