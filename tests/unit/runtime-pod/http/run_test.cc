#include <gtest/gtest.h>

#include "core/json.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

TickReport report(Payload reply) {
  return {.tick = 42,
          .envelope_id = "e-1",
          .duration = std::chrono::microseconds(1500),
          .storage_bytes = 4096,
          .reply = encode_reply(std::move(reply))};
}

TEST(RunResponse, holds_output_ids_and_usage) {
  const net::Response response =
      run_response(report({.kind = Payload::Kind::kText, .data = "noted: \"milk\""}));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Agent-Tick-Id"), "t-000000000042");
  EXPECT_EQ(response.headers.get("Agent-Envelope-Id"), "e-1");
  EXPECT_EQ(Json::parse(response.body), Json::parse(R"({"output": "noted: \"milk\"",
      "tickId": "t-000000000042", "envelopeId": "e-1",
      "usage": {"durationMs": 1.5, "steps": 0, "tokensIn": 0, "tokensOut": 0,
                "storageBytes": 4096}})"));
}

TEST(RunResponse, passes_json_through_as_json) {
  const net::Response response =
      run_response(report({.kind = Payload::Kind::kJson, .json = {{"a", 1}}}));
  EXPECT_EQ(Json::parse(response.body)["output"], Json({{"a", 1}}));
}

TEST(RunResponse, passes_bytes_through_raw) {
  const net::Response response = run_response(
      report({.kind = Payload::Kind::kBytes, .data = "\xff\x01", .content_type = "image/x"}));
  EXPECT_EQ(response.body, "\xff\x01");
  EXPECT_EQ(response.headers.get("Content-Type"), "image/x");
  EXPECT_EQ(response.headers.get("Agent-Tick-Id"), "t-000000000042");
}

}  // namespace
}  // namespace oa::runtime
