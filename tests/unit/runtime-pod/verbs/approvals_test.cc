#include "runtime-pod/verbs/approvals.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/verbs/jobs.h"
#include "tests/unit/runtime-pod/verbs/engine.h"

namespace oa::runtime {
namespace {

using oa::test::eventually;
using std::chrono::hours;
using std::chrono::seconds;
using test::await;
using test::Engine;

// Asks, and ends its attempt while the answer is open.
void ask_first(const TickInput& input, const test::ScriptedHandler::Done& done) {
  ApprovalRequest request{.name = "pay", .question = {{"euro", 5}}};
  input.context->ask(request, [done](const Result<ApprovalState>& state) {
    if (!state) return done(failed_tick(state.error()));
    TickOutcome outcome;
    outcome.reply = {.kind = Payload::Kind::kJson,
                     .json = {std::string(decision_name(state->decision)), state->note}};
    done(std::move(outcome));
  });
}

class Approvals : public testing::Test {
 protected:
  Approvals() {
    engine.on_due([](const Services& services, const DueRow& row, const Timekeeper::Done& done) {
      if (row.kind != ItemKind::kApproval) return false;
      expire_approval(services, row, done);
      return true;
    });
    engine.handler.script(ask_first);
  }

  Result<void> send(const std::string& id) {
    Dispatch dispatch{.agent = agent};
    dispatch.trigger.type = TriggerType::kMessage;
    dispatch.trigger.envelope.id = id;
    dispatch.trigger.envelope.source = "test";
    dispatch.trigger.envelope.time = engine.clock.now();
    return await<void>(
        [&](auto done) { engine.host->dispatch(std::move(dispatch), std::move(done)); });
  }
  std::vector<ApprovalRow> list(std::string_view status = "Pending") {
    return await<ApprovalPage>([&](auto done) {
             list_approvals(*engine.services, agent, status, "", 100, std::move(done));
           })
        .value()
        .items;
  }
  Result<ApprovalRow> decide(const std::string& id, Decision decision, std::string note = "") {
    return await<ApprovalRow>([&](auto done) {
      decide_approval(*engine.services, agent, {id, decision, std::move(note), "ada"},
                      std::move(done));
    });
  }
  // The id of the one that waits, once its envelope does.
  std::string wait_for_question() {
    EXPECT_TRUE(
        eventually([&] { return list().size() == 1 && !engine.actor(agent)->status().running; }));
    return list().at(0).id;
  }
  std::optional<EnvelopeRow> outcome(const std::string& id) {
    for (const Item& item : engine.rows(agent, ItemKind::kEnvelope)) {
      if (item.key == id) return decode_envelope(item.value).value();
    }
    return std::nullopt;
  }
  bool ends(const std::string& id, const std::string& reply) {
    return eventually([&] {
      const auto row = outcome(id);
      return row && row->report && row->report->reply.body == reply;
    });
  }

  Engine engine;
  const AgentId agent = engine.put("a");
};

TEST_F(Approvals, hold_an_envelope_until_somebody_decides) {
  ASSERT_TRUE(send("m1"));
  const std::string id = wait_for_question();
  EXPECT_EQ(list()[0].question["euro"], 5);
  EXPECT_EQ(outcome("m1")->status, EnvelopeRow::Status::kWaiting);
  EXPECT_FALSE(engine.store->reader().next_due().value() <= engine.clock.now());
  const auto decided = decide(id, Decision::kApproved, "fine");
  ASSERT_TRUE(decided) << decided.error().detail;
  EXPECT_EQ(decided->decided_by, "ada");
  EXPECT_TRUE(ends("m1", R"(["Approved","fine"])"));
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(list("Approved").size(), 1u);
  EXPECT_TRUE(engine.rows(agent, ItemKind::kInbox).empty());
  EXPECT_TRUE(engine.rows(agent, ItemKind::kStep).empty());
}

TEST_F(Approvals, are_decided_once) {
  ASSERT_TRUE(send("m1"));
  const std::string id = wait_for_question();
  ASSERT_TRUE(decide(id, Decision::kDenied, "no"));
  EXPECT_TRUE(decide(id, Decision::kDenied, "no"));
  EXPECT_EQ(decide(id, Decision::kApproved).error().reason, "Decided");
  EXPECT_EQ(decide("nothing", Decision::kApproved).error().code, Code::kNotFound);
  EXPECT_TRUE(ends("m1", R"(["Denied","no"])"));
}

TEST_F(Approvals, expire_when_nobody_decides) {
  ASSERT_TRUE(send("m1"));
  const std::string id = wait_for_question();
  engine.pass(hours(25));
  EXPECT_TRUE(ends("m1", R"(["Expired","it was not decided in time"])"));
  EXPECT_EQ(decide(id, Decision::kApproved).error().reason, "Decided");
}

TEST_F(Approvals, that_expired_while_the_runtime_was_down_are_seen_to) {
  ASSERT_TRUE(send("m1"));
  wait_for_question();
  engine.kill();
  engine.clock.advance(hours(25));
  engine.restart();
  EXPECT_TRUE(ends("m1", R"(["Expired","it was not decided in time"])"));
}

// Whichever commit is the first to be lost, the question stands after the next start, or is asked
// again, and its decision is carried out once.
TEST_F(Approvals, survive_a_crash_at_every_commit) {  // I3
  for (int commits = 0; commits < 6; ++commits) {
    SCOPED_TRACE(commits);
    const std::string envelope = "m" + std::to_string(commits);
    ASSERT_TRUE(send(envelope));
    const std::string before = wait_for_question();
    engine.commits->cut_after(commits);
    decide_approval(*engine.services, agent, {before, Decision::kApproved, "", "ada"},
                    [](const Result<ApprovalRow>&) {});
    ASSERT_TRUE(eventually([&] {
      const auto row = outcome(envelope);
      return engine.commits->is_cut() || (row && row->report);
    }));
    engine.restart();
    if (!list().empty()) {
      ASSERT_TRUE(decide(list()[0].id, Decision::kApproved));
    }
    ASSERT_TRUE(ends(envelope, R"(["Approved",""])"));
  }
}

TEST_F(Approvals, of_an_agent_that_fell_asleep_wake_it) {
  ASSERT_TRUE(send("m1"));
  const std::string id = wait_for_question();
  ASSERT_TRUE(eventually([&] { return engine.actor(agent)->retire(); }));
  engine.restart();
  ASSERT_TRUE(decide(id, Decision::kApproved));
  EXPECT_TRUE(ends("m1", R"(["Approved",""])"));
}

TEST_F(Approvals, hold_alarms_that_leave_with_the_question) {  // I4
  AlarmRow alarm{.name = "tea", .at = engine.clock.now()};
  ASSERT_TRUE(await<Committed>(
      [&](auto done) { engine.host->append(agent, {alarm_item(alarm)}, std::move(done)); }));
  const std::string id = wait_for_question();
  EXPECT_TRUE(engine.rows(agent, ItemKind::kAlarm).empty());
  const std::string envelope = list()[0].envelope_id;
  engine.restart();
  ASSERT_TRUE(decide(id, Decision::kApproved));
  EXPECT_TRUE(ends(envelope, R"(["Approved",""])"));
}

TEST_F(Approvals, hold_jobs_which_can_be_cancelled) {
  JobRequest request{.intake = {.agent = agent}, .input = "x"};
  const auto job = await<std::string>(
      [&](auto done) { submit_job(*engine.services, request, std::move(done)); });
  wait_for_question();
  const auto cancelled =
      await<JobRow>([&](auto done) { cancel_job(*engine.services, agent, *job, std::move(done)); });
  ASSERT_TRUE(cancelled) << cancelled.error().detail;
  EXPECT_EQ(cancelled->status, JobRow::Status::kCancelled);
  EXPECT_TRUE(list("All").empty());
  EXPECT_TRUE(engine.rows(agent, ItemKind::kInbox).empty());
}

TEST_F(Approvals, asked_one_after_the_other_are_decided_in_any_order) {
  engine.handler.script([](const TickInput& input, const auto& done) {
    auto context = input.context;
    context->ask({.name = "one", .question = {}}, [context, done](const auto&) {
      context->ask({.name = "two", .question = {}}, [done](const Result<ApprovalState>& state) {
        TickOutcome outcome;
        outcome.reply = {.kind = Payload::Kind::kJson,
                         .json = std::string(decision_name(state->decision))};
        done(std::move(outcome));
      });
    });
  });
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(
      eventually([&] { return list().size() == 2 && !engine.actor(agent)->status().running; }));
  const auto both = list();
  const std::string two = both[0].name == "two" ? both[0].id : both[1].id;
  const std::string one = both[0].name == "two" ? both[1].id : both[0].id;
  ASSERT_TRUE(decide(two, Decision::kApproved));
  ASSERT_TRUE(eventually(
      [&] { return engine.handler.runs() == 2 && !engine.actor(agent)->status().running; }));
  ASSERT_TRUE(decide(one, Decision::kApproved));
  EXPECT_TRUE(ends("m1", R"("Approved")"));
}

class Journal : public Approvals {};

TEST_F(Journal, keeps_steps_over_a_crash) {  // I6
  std::atomic<int> worked{0};
  const auto work = [&worked](const TickInput& input, const auto& done) {
    auto context = input.context;
    const StepKey step{"charge", 0, "hash"};
    context->find_step(step, [&worked, context, step, done](const auto& known) {
      if (!known) return done(failed_tick(known.error()));
      if (*known) {
        TickOutcome outcome;
        outcome.reply = {.kind = Payload::Kind::kJson, .json = **known};
        return done(std::move(outcome));
      }
      ++worked;
      // After the step is on disk the process hangs.
      context->put_step(step, "receipt", [](const auto&) {});
    });
  };
  engine.handler.script(work);
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(eventually([&] { return engine.rows(agent, ItemKind::kStep).size() == 1; }));
  engine.restart();
  EXPECT_TRUE(ends("m1", "\"receipt\""));
  EXPECT_EQ(worked, 1);
  EXPECT_TRUE(engine.rows(agent, ItemKind::kStep).empty());
}

TEST_F(Journal, refuses_another_input_and_names_the_step) {
  engine.handler.script([](const TickInput& input, const auto& done) {
    auto context = input.context;
    const StepKey step{"charge", 0, "input of attempt " + std::to_string(input.attempt)};
    context->find_step(step, [context, step, done](const auto& known) {
      if (!known) return done(retried_tick(known.error()));
      context->put_step(step, "x", [done](const auto&) {
        done(retried_tick(make_error(Code::kUnavailable, "again")));
      });
    });
  });
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(eventually([&] {
    engine.pass(seconds(1));
    return engine.rows(agent, ItemKind::kDeadLetter).size() == 1;
  }));
  const auto letter =
      decode_dead_letter(engine.rows(agent, ItemKind::kDeadLetter)[0].value).value();
  EXPECT_EQ(letter.reason, "NonDeterministic");
  EXPECT_NE(letter.error.detail.find("\"charge\""), std::string::npos) << letter.error.detail;
}

// Registers two compensations, and then ends as it is told.
test::ScriptedHandler::Script compensating(TickOutcome end) {
  return [end = std::move(end)](const TickInput& input, const auto& done) {
    auto context = input.context;
    const EffectRequest first{.key = "undo-1", .url = "http://127.0.0.1:1/a"};
    const EffectRequest second{.key = "undo-2", .url = "http://127.0.0.1:1/b"};
    context->compensate(first, [context, second, done, end](const auto&) {
      context->compensate(second, [done, end](const auto&) { done(end); });
    });
  };
}

TEST_F(Journal, undoes_the_last_first_when_an_envelope_finally_fails) {
  engine.handler.script(compensating(failed_tick(make_error(Code::kRuntimeError, "no"))));
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(eventually([&] { return engine.rows(agent, ItemKind::kOutbox).size() == 2; }));
  const auto rows = engine.rows(agent, ItemKind::kOutbox);
  const auto first = decode_outbox(rows[0].value).value();
  const auto second = decode_outbox(rows[1].value).value();
  EXPECT_EQ(first.id, "undo-2");
  EXPECT_EQ(second.id, "undo-1");
  EXPECT_EQ(first.destination, second.destination);
  EXPECT_TRUE(engine.rows(agent, ItemKind::kCompensation).empty());
}

TEST_F(Journal, forgets_compensations_of_what_succeeds) {
  engine.handler.script(compensating({}));
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(eventually([&] {
    const auto row = outcome("m1");
    return row && row->status == EnvelopeRow::Status::kSucceeded;
  }));
  EXPECT_TRUE(engine.rows(agent, ItemKind::kCompensation).empty());
  EXPECT_TRUE(engine.rows(agent, ItemKind::kOutbox).empty());
}

TEST_F(Journal, gives_an_attempt_up_whose_heartbeat_is_missed) {
  std::atomic<bool> second{false};
  engine.handler.script([&second](const TickInput& input, const auto& done) {
    if (input.attempt > 1) {
      second = true;
      return done({});
    }
    input.context->heartbeat(seconds(1));
  });
  ASSERT_TRUE(send("m1"));
  ASSERT_TRUE(eventually([&] { return engine.handler.runs() == 1; }));
  ASSERT_TRUE(eventually([&] {
    engine.pass(seconds(1));
    return second.load();
  }));
  EXPECT_TRUE(eventually([&] { return engine.rows(agent, ItemKind::kInbox).empty(); }));
  EXPECT_TRUE(engine.handler.inputs()[0].context->is_over());
}

}  // namespace
}  // namespace oa::runtime
