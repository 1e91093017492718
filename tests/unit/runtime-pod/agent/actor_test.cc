#include "runtime-pod/agent/actor.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/agent/fakes.h"

namespace oa::runtime {
namespace {

using std::chrono::seconds;
using test::World;

class ActorTest : public testing::Test {
 protected:
  ActorTest() { wake({}); }

  void wake(AgentHead head) {
    spec = default_spec();
    actor = std::make_shared<Actor>(world.services,
                                    AgentRow{5, {"default", "a"}, "uid-a", world.clock.now(), "{}"},
                                    head, nullptr, 0, spec);
  }

  // The answers that arrived, by name of the request.
  void submit(const std::string& name, QueueItem::Kind kind = QueueItem::Kind::kTick,
              Duration patience = seconds(60)) {
    Submission submission;
    submission.kind = kind;
    submission.trigger.type =
        kind == QueueItem::Kind::kTick ? TriggerType::kRequest : TriggerType::kManual;
    submission.trigger.envelope.id = name;
    submission.trigger.envelope.source = "http";
    submission.deadline = world.clock.monotonic() + patience;
    submission.permit.emplace(world.gate.admit(1).value());
    submission.answered = [this, name](Result<TickReport> report) {
      EXPECT_EQ(answers.count(name), 0u);
      answers.emplace(name, std::move(report));
    };
    if (kind == QueueItem::Kind::kWrite)
      submission.items = {kv_item({name, "value", "text/plain"})};
    EXPECT_TRUE(actor->submit(submission));
    world.scheduler.run_all();
  }

  // The handler is done with the oldest tick: it counts in the state.
  void finish_handler() {
    auto held = world.handler.take();
    const std::int64_t n = held.input.state ? held.input.state->at("n").get<std::int64_t>() : 0;
    TickOutcome outcome;
    outcome.state = std::make_shared<const Json>(Json{{"n", n + 1}});
    outcome.reply = {.kind = Payload::Kind::kText, .data = "reply " + std::to_string(n + 1)};
    held.done(std::move(outcome));
    world.scheduler.run_all();
  }
  void finish_commit() {
    world.commits.succeed();
    world.scheduler.run_all();
  }

  World world;
  AgentSpec spec;
  std::shared_ptr<Actor> actor;
  std::map<std::string, Result<TickReport>> answers;
};

TEST_F(ActorTest, lets_the_reply_out_only_after_the_commit) {  // I2
  submit("a");
  EXPECT_TRUE(world.commits.held.empty());
  finish_handler();
  ASSERT_EQ(world.commits.held.size(), 1u);
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(actor->state(), nullptr);
  finish_commit();
  EXPECT_EQ(answers.at("a")->reply.body, "\"reply 1\"");
  EXPECT_EQ(answers.at("a")->tick, 1);
  EXPECT_EQ(answers.at("a")->envelope_id, "a");
  EXPECT_EQ(*actor->state(), Json({{"n", 1}}));
}

TEST_F(ActorTest, starts_the_next_tick_on_what_the_last_one_is_committing) {  // I1
  submit("a");
  submit("b");
  EXPECT_EQ(world.handler.held.size(), 1u);
  finish_handler();
  ASSERT_EQ(world.handler.held.size(), 1u);
  EXPECT_EQ(actor->state(), nullptr);
  EXPECT_EQ(*world.handler.held[0].input.state, Json({{"n", 1}}));
  finish_handler();
  EXPECT_EQ(world.commits.held[1].tick().version, 2);
  EXPECT_EQ(world.commits.held[1].tick().tick, 2);
  finish_commit();
  EXPECT_EQ(answers.count("b"), 0u);
  finish_commit();
  EXPECT_EQ(answers.at("b")->reply.body, R"("reply 2")");
}

TEST_F(ActorTest, goes_on_counting_where_the_last_process_ended) {
  wake({.version = 10, .tick = 12});
  submit("a");
  EXPECT_EQ(world.handler.held[0].input.tick, 13);
  EXPECT_EQ(world.handler.held[0].input.epoch, 7);
  finish_handler();
  EXPECT_EQ(world.commits.held[0].tick().version, 11);
}

TEST_F(ActorTest, gives_an_outside_write_its_turn_in_the_queue) {
  submit("a");
  submit("key", QueueItem::Kind::kWrite);
  EXPECT_TRUE(world.commits.held.empty());
  finish_handler();
  finish_commit();
  ASSERT_EQ(world.commits.held.size(), 1u);
  const AgentCommit& write = world.commits.held[0].tick();
  ASSERT_EQ(write.items.size(), 1u);
  EXPECT_EQ(write.items[0].key, "key");
  EXPECT_FALSE(write.state);
  EXPECT_EQ(Json::parse(write.record)["trigger"], "Manual");
  finish_commit();
  EXPECT_TRUE(answers.at("key").ok());
  EXPECT_EQ(*actor->state(), Json({{"n", 1}}));
}

TEST_F(ActorTest, runs_a_failed_attempt_again_with_the_same_tick_number) {
  submit("a");
  auto first = world.handler.take();
  first.done(retried_tick(make_error(Code::kRuntimeError, "not yet")));
  world.scheduler.run_all();
  EXPECT_TRUE(answers.empty());
  EXPECT_TRUE(world.handler.held.empty());
  world.scheduler.pass(seconds(1));
  ASSERT_EQ(world.handler.held.size(), 1u);
  EXPECT_EQ(world.handler.held[0].input.attempt, 2);
  EXPECT_EQ(world.handler.held[0].input.tick, first.input.tick);
  finish_handler();
  finish_commit();
  EXPECT_TRUE(answers.at("a").ok());
}

TEST_F(ActorTest, answers_504_at_the_callers_deadline) {
  submit("a", QueueItem::Kind::kTick, seconds(10));
  world.scheduler.pass(seconds(10));
  finish_commit();
  ASSERT_EQ(answers.count("a"), 1u);
  EXPECT_EQ(answers.at("a").error().code, Code::kTimeout);
}

TEST_F(ActorTest, commits_nothing_of_a_tick_that_took_too_long) {
  submit("a", QueueItem::Kind::kTick, seconds(100));
  auto late = world.handler.take();
  world.scheduler.pass(seconds(31));
  ASSERT_EQ(world.handler.held.size(), 1u);
  EXPECT_EQ(world.handler.held[0].input.attempt, 2);
  TickOutcome outcome;
  outcome.state = std::make_shared<const Json>(Json{{"n", 666}});
  late.done(std::move(outcome));
  world.scheduler.run_all();
  EXPECT_TRUE(world.commits.held.empty());
  finish_handler();
  finish_commit();
  EXPECT_EQ(*actor->state(), Json({{"n", 1}}));
}

TEST_F(ActorTest, tells_the_caller_what_the_store_refused_and_keeps_the_old_state) {
  submit("a");
  finish_handler();
  world.commits.fail(make_error(Code::kLimitExceeded, "StorageLimit", "too big"));
  EXPECT_EQ(Json::parse(world.commits.held[0].tick().record)["outcome"], "Failed");
  finish_commit();
  EXPECT_EQ(answers.at("a").error().reason, "StorageLimit");
  EXPECT_EQ(actor->state(), nullptr);
  submit("b");
  EXPECT_EQ(world.handler.held[0].input.state, nullptr);
  finish_handler();
  EXPECT_EQ(world.commits.held[0].tick().version, 2);
}

TEST_F(ActorTest, runs_again_what_was_started_on_changes_that_were_not_committed) {
  submit("a");
  submit("b");
  finish_handler();
  finish_handler();
  world.commits.fail(make_error(Code::kLimitExceeded, "StorageLimit", "too big"));
  world.commits.fail(make_error(Code::kInternal, "Fenced", "must follow"));
  world.scheduler.run_all();
  ASSERT_EQ(world.handler.held.size(), 1u);
  EXPECT_EQ(world.handler.held[0].input.state, nullptr);
  finish_commit();
  EXPECT_EQ(answers.at("a").error().reason, "StorageLimit");
  finish_handler();
  EXPECT_EQ(world.commits.held[0].tick().version, 2);
  finish_commit();
  EXPECT_EQ(*actor->state(), Json({{"n", 1}}));
}

TEST_F(ActorTest, answers_nothing_while_the_store_says_nothing) {  // I6
  submit("a");
  finish_handler();
  auto unknown = world.commits.take();
  world.scheduler.pass(std::chrono::hours(1));
  EXPECT_TRUE(answers.empty());
}

TEST_F(ActorTest, refuses_a_write_set_over_the_bound) {
  submit("a");
  TickOutcome outcome;
  for (int i = 0; i < 9; ++i) {
    outcome.writes.kv.push_back({std::to_string(i), std::string(1024 * 1024, 'x')});
  }
  world.handler.take().done(std::move(outcome));
  ASSERT_EQ(world.commits.held.size(), 1u);
  EXPECT_TRUE(world.commits.held[0].tick().items.empty());
  finish_commit();
  EXPECT_EQ(answers.at("a").error().reason, "StorageLimit");
}

TEST_F(ActorTest, refuses_to_run_while_it_is_suspended) {
  spec.replicas = 0;
  actor->update(actor->row(), spec);
  submit("a");
  EXPECT_EQ(answers.at("a").error().reason, "Suspended");
  spec.replicas = 1;
  actor->update(actor->row(), spec);
  submit("b");
  EXPECT_EQ(world.handler.held.size(), 1u);
}

TEST_F(ActorTest, retires_only_when_it_is_idle) {
  submit("a");
  EXPECT_FALSE(actor->retire());
  finish_handler();
  EXPECT_FALSE(actor->retire());
  finish_commit();
  EXPECT_TRUE(actor->retire());
  Submission late;
  late.answered = [](auto) { FAIL(); };
  EXPECT_FALSE(actor->submit(late));
  EXPECT_TRUE(late.answered != nullptr);
}

TEST_F(ActorTest, answers_everything_when_it_is_discarded_but_a_commit_under_way) {
  submit("a");
  finish_handler();
  submit("b");
  actor->discard(make_error(Code::kNotFound, "deleted"));
  EXPECT_EQ(answers.at("b").error().code, Code::kNotFound);
  EXPECT_EQ(answers.count("a"), 0u);
  finish_commit();
  EXPECT_TRUE(answers.at("a").ok());
}

TEST_F(ActorTest, counts_its_attempts_and_its_memory) {
  submit("a");
  world.handler.take().done(retried_tick(make_error(Code::kRuntimeError, "not yet")));
  world.scheduler.pass(seconds(1));
  finish_handler();
  finish_commit();
  const std::string text = world.registry.text();
  EXPECT_NE(text.find(R"(openagents_ticks_total{outcome="retried",trigger="Request"} 1)"),
            std::string::npos);
  EXPECT_NE(text.find(R"(openagents_ticks_total{outcome="committed",trigger="Request"} 1)"),
            std::string::npos);
  EXPECT_NE(text.find("openagents_inbox_depth 0"), std::string::npos);
  EXPECT_EQ(world.log_lines.size(), 1u);
  EXPECT_GT(world.services.awake_bytes, 0);
  world.scheduler.pass(seconds(120));
  actor.reset();
  EXPECT_EQ(world.services.awake_bytes, 0);
}

}  // namespace
}  // namespace oa::runtime
