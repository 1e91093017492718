#include "runtime-pod/verbs/envelopes.h"

#include <gtest/gtest.h>

#include "runtime-pod/verbs/dead_letters.h"
#include "runtime-pod/verbs/messages.h"
#include "runtime-pod/verbs/run.h"
#include "tests/unit/runtime-pod/verbs/engine.h"

namespace oa::runtime {
namespace {

using oa::test::eventually;
using std::chrono::seconds;
using test::Answer;
using test::await;
using test::Engine;

// Journals something to undo, then waits for people.
void ask_people(const TickInput& input, test::ScriptedHandler::Done done) {
  EffectRequest undo{.key = "undo", .url = "http://localhost:1/undo"};
  input.context->compensate(std::move(undo), [input, done](const Result<void>&) {
    input.context->ask({.name = "allow", .question = "may I?"}, [done](const auto& state) {
      TickOutcome outcome;
      if (state && state->decision == Decision::kPending) outcome.state = nullptr;
      done(std::move(outcome));
    });
  });
}

class Envelopes : public testing::Test {
 protected:
  Intake named(const std::string& id) const {
    return {.agent = agent, .verb = "POST /send", .envelope_id = id, .body = "x"};
  }
  Result<SendAnswer> send(const std::string& id) {
    return await<SendAnswer>(
        [&](auto done) { send_message(*engine.services, named(id), std::move(done)); });
  }
  Result<EnvelopeOutcome> find(const std::string& id) {
    return await<EnvelopeOutcome>(
        [&](auto done) { find_envelope(*engine.services, agent, id, std::move(done)); });
  }
  Result<EnvelopeOutcome> cancel(const std::string& id) {
    return await<EnvelopeOutcome>(
        [&](auto done) { cancel_envelope(*engine.services, agent, id, std::move(done)); });
  }
  bool becomes(const std::string& id, EnvelopeRow::Status status) {
    return eventually([&] {
      const auto outcome = find(id);
      return outcome && outcome->row.status == status;
    });
  }

  Engine engine;
  const AgentId agent = engine.put("a");
};

TEST_F(Envelopes, that_wait_for_people_are_cancelled_with_all_that_belongs_to_them) {
  for (const bool restarts : {false, true}) {
    const std::string id = restarts ? "after" : "before";
    engine.handler.script(ask_people);
    ASSERT_TRUE(send(id));
    ASSERT_TRUE(becomes(id, EnvelopeRow::Status::kWaiting));
    if (restarts) engine.restart();
    const auto outcome = cancel(id);
    ASSERT_TRUE(outcome) << outcome.error().detail;
    EXPECT_EQ(outcome->row.status, EnvelopeRow::Status::kCancelled);
    for (const ItemKind kind :
         {ItemKind::kInbox, ItemKind::kStep, ItemKind::kCompensation, ItemKind::kApproval}) {
      EXPECT_TRUE(engine.rows(agent, kind).empty()) << static_cast<int>(kind);
    }
    // What it had done is undone.
    EXPECT_EQ(engine.rows(agent, ItemKind::kOutbox).size(), restarts ? 2U : 1U);
    EXPECT_EQ(cancel(id).error().reason, "TooLate");
  }
}

TEST_F(Envelopes, that_are_committing_cannot_be_cancelled) {
  engine.handler.script([&](const TickInput&, auto done) { done({}); });
  ASSERT_TRUE(send("e"));
  ASSERT_TRUE(becomes("e", EnvelopeRow::Status::kSucceeded));
  EXPECT_EQ(cancel("e").error().reason, "TooLate");
  EXPECT_EQ(cancel("other").error().code, Code::kNotFound);
}

TEST_F(Envelopes, whose_end_is_not_on_disk_are_not_said_to_be_cancelled) {
  std::function<void(TickOutcome)> held;
  std::mutex mutex;
  engine.handler.script([&](const TickInput&, auto done) {
    const std::lock_guard lock(mutex);
    held = std::move(done);
  });
  ASSERT_TRUE(send("e"));
  ASSERT_TRUE(eventually([&] { return engine.handler.runs() == 1; }));
  engine.commits->cut();
  Answer<EnvelopeOutcome> answer;
  bool is_told = false;
  cancel_envelope(*engine.services, agent, "e",
                  [&is_told](const Result<EnvelopeOutcome>&) { is_told = true; });
  EXPECT_EQ(find("e")->row.status, EnvelopeRow::Status::kQueued);
  EXPECT_FALSE(is_told);
  held = nullptr;
}

class Runs : public Envelopes {
 protected:
  std::shared_ptr<RunCaller> start(RunRequest request, Answer<RunOutcome>& answer) {
    request.intake.agent = agent;
    request.intake.verb = "POST /run";
    return run(*engine.services, std::move(request), answer.callback());
  }
};

TEST_F(Runs, are_made_durable_when_their_callers_wait_no_longer) {
  engine.handler.script([](const TickInput&, const auto&) {});
  Answer<RunOutcome> answer;
  const auto caller = start({.wait = seconds(3)}, answer);
  ASSERT_TRUE(eventually([&] { return engine.handler.runs() == 1; }));
  EXPECT_TRUE(engine.rows(agent, ItemKind::kInbox).empty());
  engine.pass(seconds(3));
  const auto outcome = answer.get();
  ASSERT_TRUE(outcome) << outcome.error().detail;
  EXPECT_FALSE(outcome->report);
  engine.handler.script(nullptr);
  engine.restart();
  ASSERT_TRUE(find(outcome->envelope_id));
  EXPECT_TRUE(becomes(outcome->envelope_id, EnvelopeRow::Status::kSucceeded));
}

TEST_F(Runs, of_callers_who_leave_are_ended_if_nobody_can_ask_for_them_again) {
  for (const bool has_key : {false, true}) {
    std::function<void(TickOutcome)> held;
    std::mutex mutex;
    engine.handler.script([&](const TickInput&, auto done) {
      const std::lock_guard lock(mutex);
      held = std::move(done);
    });
    const std::size_t before = engine.handler.runs();
    Answer<RunOutcome> answer;
    RunRequest request;
    if (has_key) request.intake.idempotency_key = "k";
    const auto caller = start(std::move(request), answer);
    ASSERT_TRUE(eventually([&] { return engine.handler.runs() == before + 1; }));
    caller->leave();
    if (has_key) {
      ASSERT_TRUE(eventually([&] {
        const std::lock_guard lock(mutex);
        return held != nullptr;
      }));
      held({});
    }
    const auto outcome = answer.get();
    EXPECT_EQ(outcome.ok(), has_key);
    if (!has_key) {
      EXPECT_EQ(outcome.error().reason, "CallerGone");
    }
  }
}

TEST_F(Runs, that_wait_for_people_are_answered_at_once_and_so_are_their_repeats) {
  engine.handler.script(ask_people);
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    Answer<RunOutcome> answer;
    RunRequest request;
    request.intake.idempotency_key = "k";
    start(std::move(request), answer);
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome) << outcome.error().detail;
    EXPECT_FALSE(outcome->report);
    ids.push_back(outcome->envelope_id);
    if (i == 1) engine.restart();
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
}

TEST_F(Runs, with_a_row_that_fail_in_passing_can_be_asked_for_again) {
  engine.handler.script([](const TickInput& input, auto done) {
    input.context->put_step({"s", 0, ""}, "v", [done](const Result<void>&) {
      done(failed_tick(make_error(Code::kUnavailable, "not now")));
    });
  });
  for (int i = 0; i < 2; ++i) {
    Answer<RunOutcome> answer;
    RunRequest request;
    request.intake.idempotency_key = "k";
    start(std::move(request), answer);
    EXPECT_EQ(answer.get().error().code, Code::kUnavailable);
    EXPECT_EQ(engine.handler.runs(), static_cast<std::size_t>(i) + 1);
    EXPECT_TRUE(engine.rows(agent, ItemKind::kReplay).empty());
  }
}

}  // namespace
}  // namespace oa::runtime
