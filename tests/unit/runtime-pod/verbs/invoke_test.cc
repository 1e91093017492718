#include "runtime-pod/verbs/invoke.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/verbs/engine.h"

namespace oa::runtime {
namespace {

using std::chrono::hours;
using test::await;
using test::Engine;

Reply json_reply(std::string body) { return {false, std::move(body), "application/json"}; }

TEST(Invoke, makes_a_prompt_one_users_message) {
  EXPECT_EQ(invoke_payload({{"prompt", "hi"}}, "s", Json()).json,
            (Json{{"messages", {{{"role", "user"}, {"content", "hi"}}}}, {"sessionId", "s"}}));
  const Json messages = {{{"role", "system"}, {"content", "x"}}};
  const Payload payload = invoke_payload({{"messages", messages}}, "s", {{"maxSteps", 3}});
  EXPECT_EQ(payload.json,
            (Json{{"messages", messages}, {"sessionId", "s"}, {"options", {{"maxSteps", 3}}}}));
}

TEST(Invoke, says_text_as_it_is_and_the_rest_as_text) {
  EXPECT_EQ(reply_text(json_reply(R"("a \"b\"")")), "a \"b\"");
  EXPECT_EQ(reply_text(json_reply(R"({"a":1})")), R"({"a":1})");
  EXPECT_EQ(reply_text({true, "plain", "text/plain"}), "plain");
  EXPECT_EQ(reply_text({true, "\xff\xfe", "image/png"}), "//4=");
}

class Sessions : public testing::Test {
 protected:
  Result<std::string> open(const std::string& given, const std::string& key = "",
                           const std::string& name = "a") {
    Intake intake{.agent = {"default", name}, .verb = "POST /invoke", .idempotency_key = key};
    return await<std::string>(
        [&](auto done) { open_session(*engine.services, intake, given, std::move(done)); });
  }

  Engine engine;
  const AgentId agent = engine.put("a");
  const AgentId other = engine.put("b");
};

TEST_F(Sessions, go_on_for_a_day_after_their_last_use_and_through_a_crash) {
  const std::string session = *open("");
  EXPECT_NE(*open(""), session);
  engine.clock.advance(hours(23));
  EXPECT_EQ(*open(session), session);
  engine.restart();
  engine.clock.advance(hours(23));
  EXPECT_EQ(*open(session), session);
  engine.clock.advance(hours(25));
  EXPECT_EQ(open(session).error().reason, "UnknownSession");
}

TEST_F(Sessions, are_known_to_the_agent_that_gave_them_out_only) {
  const std::string session = *open("");
  const auto elsewhere = open(session, "", "b");
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, Code::kRuntimeError);
  EXPECT_FALSE(elsewhere.error().retryable);
  EXPECT_EQ(open("", "", "nobody").error().code, Code::kNotFound);
}

TEST_F(Sessions, are_the_same_for_a_repeat) {
  EXPECT_EQ(*open("", "k"), *open("", "k"));
  EXPECT_NE(*open("", "k"), *open("", "l"));
}

}  // namespace
}  // namespace oa::runtime
