#include "runtime-pod/handlers/notebook.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using Status = TickOutcome::Status;

const Time kNow = Time(std::chrono::seconds(1'800'000'000));

Payload text(std::string words) { return {.kind = Payload::Kind::kText, .data = std::move(words)}; }

// An agent that keeps its state from tick to tick.
struct Agent {
  std::shared_ptr<const Json> state;

  TickOutcome tell(Payload payload, int attempt = 1, TriggerType type = TriggerType::kRequest) {
    TickInput input{.attempt = attempt, .now = kNow, .state = state};
    input.trigger = std::make_shared<const Trigger>(
        Trigger{type, {.source = "test", .payload = std::move(payload)}});
    TickOutcome outcome = notebook(input);
    if (outcome.state) state = outcome.state;
    return outcome;
  }
  // The note that it makes of what comes by itself.
  Json note(TriggerType type, Json json) {
    Payload payload{.kind = Payload::Kind::kJson, .json = std::move(json)};
    EXPECT_EQ(tell(std::move(payload), 1, type).status, Status::kDone);
    return (*state)["notes"].back()["text"];
  }
  Json reply(const std::string& words) { return tell(text(words)).reply.as_json(); }
};

TEST(Notebook, remembers_and_lists_and_counts) {
  Agent agent;
  EXPECT_EQ(agent.reply("remember buy milk"), "noted: buy milk");
  EXPECT_EQ(agent.reply("  call Ada \n"), "noted: call Ada");
  EXPECT_EQ(agent.reply("list"), Json::parse(R"(["buy milk", "call Ada"])"));
  EXPECT_EQ(agent.reply("count"), 4);
  EXPECT_EQ(*agent.state, Json::parse(R"({"notes": [
      {"text": "buy milk", "time": "2027-01-15T08:00:00.000Z"},
      {"text": "call Ada", "time": "2027-01-15T08:00:00.000Z"}], "ticks": 4})"));
}

TEST(Notebook, forgets_by_number) {
  Agent agent;
  agent.reply("one");
  agent.reply("two");
  EXPECT_EQ(agent.reply("forget 1"), "forgot: one");
  EXPECT_EQ(agent.reply("list"), Json::parse(R"(["two"])"));
  for (const char* words : {"forget 0", "forget 2", "forget -1", "forget 99999999999999999999"}) {
    const TickOutcome outcome = agent.tell(text(words));
    EXPECT_EQ(outcome.status, Status::kFail) << words;
    EXPECT_EQ(outcome.error.code, Code::kInvalidRequest) << words;
  }
}

TEST(Notebook, takes_words_that_only_begin_like_a_command_as_a_note) {
  Agent agent;
  for (const char* words : {"forget the past", "big plans", "listen", "remembering", "counting"}) {
    EXPECT_EQ(agent.reply(words), "noted: " + std::string(words));
  }
}

TEST(Notebook, reminds_by_an_alarm) {
  Agent agent;
  const TickOutcome outcome = agent.tell(text("remind me in 1m30s: call Ada"));
  EXPECT_EQ(outcome.reply.data, "will remind in 1m30s: call Ada");
  ASSERT_EQ(outcome.writes.alarms.size(), 1u);
  const auto& alarm = std::get<AlarmSet>(outcome.writes.alarms[0]);
  EXPECT_EQ(alarm.at, kNow + std::chrono::seconds(90));
  EXPECT_EQ(alarm.payload, (Json{{"text", "call Ada"}}));
  EXPECT_EQ(agent.note(TriggerType::kAlarm, {{"name", "1"}, {"payload", alarm.payload}}),
            "reminder: call Ada");
  EXPECT_EQ(agent.reply("remind me in the morning: tea"), "noted: remind me in the morning: tea");
  EXPECT_EQ(agent.tell(text("remind me in 10: tea")).error.code, Code::kInvalidRequest);
  EXPECT_EQ(agent.tell(text("remind me in 10s: ")).error.code, Code::kInvalidRequest);
}

TEST(Notebook, notes_what_comes_by_itself) {
  Agent agent;
  EXPECT_EQ(agent.note(TriggerType::kAlarm, {{"name", "tea"}, {"payload", nullptr}}),
            "reminder: tea");
  EXPECT_EQ(agent.note(TriggerType::kAlarm, {{"name", "tea"}, {"payload", "list"}}),
            "reminder: list");
  EXPECT_EQ(agent.note(TriggerType::kAlarm,
                       {{"schedule", "weekly"}, {"payload", {{"text", "remember water"}}}}),
            "water");
  EXPECT_EQ(agent.note(TriggerType::kAlarm, {{"schedule", "weekly"}, {"payload", 7}}),
            "schedule: weekly");
  EXPECT_EQ(agent.note(TriggerType::kEvent, {{"type", "com.example.sold"}, {"data", 1}}),
            "event: com.example.sold");
  EXPECT_EQ(agent.note(TriggerType::kEvent, {{"text", "sold out"}}), "sold out");
  EXPECT_EQ(agent.note(TriggerType::kManual, nullptr), "manual: test");
  EXPECT_EQ(agent.note(TriggerType::kMessage, {{"text", " "}}), "message: test");
}

TEST(Notebook, hears_the_last_message_of_a_conversation) {
  Agent agent;
  const Json json = Json::parse(R"({"messages": [{"role": "user", "content": "one"},
      {"role": "user", "content": "remember two"}, {"role": "assistant", "content": "three"}]})");
  EXPECT_EQ(agent.tell({.kind = Payload::Kind::kJson, .json = json}).reply.data, "noted: two");
}

TEST(Notebook, takes_text_in_json) {
  Agent agent;
  EXPECT_EQ(agent.tell({.kind = Payload::Kind::kJson, .json = {{"text", "milk"}}}).reply.data,
            "noted: milk");
  EXPECT_EQ(agent.tell({.kind = Payload::Kind::kJson, .json = "list"}).reply.json,
            Json::parse(R"(["milk"])"));
}

TEST(Notebook, refuses_what_is_no_text) {
  Agent agent;
  const Payload wrong[] = {
      {.kind = Payload::Kind::kJson, .json = 7},
      {.kind = Payload::Kind::kJson, .json = Json::object()},
      {.kind = Payload::Kind::kJson, .json = {{"text", 7}}},
      {.kind = Payload::Kind::kJson, .json = {{"text", "a"}, {"more", 1}}},
      {.kind = Payload::Kind::kBytes, .data = "\xff"},
      text(""),
      text("remember  "),
  };
  for (const Payload& payload : wrong) {
    const TickOutcome outcome = agent.tell(payload);
    EXPECT_EQ(outcome.status, Status::kFail);
    EXPECT_EQ(outcome.error.code, Code::kInvalidRequest);
    EXPECT_FALSE(outcome.error.detail.empty());
  }
  EXPECT_EQ(agent.state, nullptr);
}

TEST(Notebook, fails_once_and_then_succeeds) {
  Agent agent;
  const TickOutcome first = agent.tell(text("fail"), 1);
  EXPECT_EQ(first.status, Status::kRetry);
  EXPECT_EQ(first.state, nullptr);
  const TickOutcome second = agent.tell(text("fail"), 2);
  EXPECT_EQ(second.status, Status::kDone);
  EXPECT_EQ(second.reply.data, "succeeded on attempt 2");
}

TEST(Notebook, writes_as_many_bytes_as_it_is_told) {
  Agent agent;
  const TickOutcome outcome = agent.tell(text("big 1500000"));
  ASSERT_EQ(outcome.writes.kv.size(), 2u);
  EXPECT_EQ(outcome.writes.kv[0].key, "big/0");
  EXPECT_EQ(outcome.writes.kv[0].value->size() + outcome.writes.kv[1].value->size(), 1'500'000u);
  EXPECT_EQ(agent.tell(text("big 0")).status, Status::kFail);
  EXPECT_EQ(agent.tell(text("big 999999999999")).status, Status::kFail);
}

TEST(Notebook, refuses_a_state_that_another_handler_left) {
  for (const char* state :
       {"7", "{}", R"({"notes": 1, "ticks": 1})", R"({"notes": [1], "ticks": 1})",
        R"({"notes": [{"text": 1}], "ticks": 1})"}) {
    Agent agent{std::make_shared<const Json>(Json::parse(state))};
    const TickOutcome outcome = agent.tell(text("list"));
    EXPECT_EQ(outcome.status, Status::kFail) << state;
    EXPECT_EQ(outcome.error.code, Code::kRuntimeError) << state;
  }
}

}  // namespace
}  // namespace oa::runtime
