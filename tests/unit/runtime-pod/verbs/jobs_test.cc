#include "runtime-pod/verbs/jobs.h"

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/verbs/engine.h"

namespace oa::runtime {
namespace {

using oa::test::eventually;
using std::chrono::hours;
using std::chrono::seconds;
using test::await;
using test::Engine;
using Status = JobRow::Status;

// Handlers that wait until the test lets them go on.
class Held {
 public:
  void operator()(const TickInput& input, test::ScriptedHandler::Done done) {
    const std::lock_guard lock(mutex_);
    contexts_.push_back(input.context);
    done_.push_back(std::move(done));
  }
  bool has(std::size_t count) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return done_.size() == count;
    });
  }
  void finish(std::size_t index, TickOutcome outcome = {}) {
    test::ScriptedHandler::Done done;
    {
      const std::lock_guard lock(mutex_);
      done = std::move(done_[index]);
    }
    done(std::move(outcome));
  }
  bool is_over(std::size_t index) {
    const std::lock_guard lock(mutex_);
    return contexts_[index]->is_over();
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    contexts_.clear();
    done_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<TickContext>> contexts_;  // by mutex_
  std::vector<test::ScriptedHandler::Done> done_;       // by mutex_
};

TickOutcome reply(Json json) {
  TickOutcome outcome;
  outcome.reply = {.kind = Payload::Kind::kJson, .json = std::move(json)};
  return outcome;
}

class Jobs : public testing::Test {
 protected:
  Jobs() {
    engine.on_end([this] { held.clear(); });
    engine.on_due([](const Services& services, const DueRow& row, const Timekeeper::Done& done) {
      if (row.kind != ItemKind::kJob) return false;
      expire_job(services, row, done);
      return true;
    });
  }

  void hold() {
    engine.handler.script([this](const TickInput& input, auto done) { held(input, done); });
  }
  Result<std::string> submit(JobRequest request = {}) {
    request.intake.agent = agent;
    request.intake.verb = "POST /jobs";
    if (request.input.is_null()) request.input = "work";
    return await<std::string>(
        [&](auto done) { submit_job(*engine.services, std::move(request), std::move(done)); });
  }
  Result<JobRow> get(const std::string& id) {
    return await<JobRow>([&](auto done) { get_job(*engine.services, agent, id, std::move(done)); });
  }
  Result<JobRow> cancel(const std::string& id) {
    return await<JobRow>(
        [&](auto done) { cancel_job(*engine.services, agent, id, std::move(done)); });
  }
  Result<JobPage> list(std::string_view status = "", const std::string& cursor = "",
                       int limit = 100) {
    return await<JobPage>([&](auto done) {
      list_jobs(*engine.services, agent, status, cursor, limit, std::move(done));
    });
  }
  bool becomes(const std::string& id, Status status) {
    return eventually([&] {
      const auto job = get(id);
      return job && job->status == status;
    });
  }
  std::vector<OutboxRow> callbacks() {
    std::vector<OutboxRow> rows;
    for (const Item& item : engine.rows(agent, ItemKind::kOutbox)) {
      rows.push_back(decode_outbox(item.value).value());
    }
    return rows;
  }

  Held held;
  Engine engine;
  const AgentId agent = engine.put("a");
};

TEST_F(Jobs, run_and_show_what_came_of_them) {
  engine.handler.script(
      [](const TickInput& input, auto done) { done(reply(input.trigger->envelope.payload.json)); });
  const auto id = submit({.input = {{"text", "hi"}}});
  ASSERT_TRUE(id) << id.error().detail;
  ASSERT_TRUE(becomes(*id, Status::kSucceeded));
  const auto job = get(*id);
  EXPECT_EQ(job->output->body, R"({"text":"hi"})");
  EXPECT_EQ(job->ticks, 1);
  EXPECT_EQ(*job->expires, *job->finished + hours(24));
  EXPECT_EQ(engine.handler.inputs()[0].trigger->type, TriggerType::kJob);
  EXPECT_EQ(get("nothing").error().code, Code::kNotFound);
}

TEST_F(Jobs, are_refused_when_they_make_no_sense) {
  const Time now = engine.clock.now();
  const JobRequest wrong[] = {
      {.ttl = Duration(0)},
      {.ttl = hours(24 * 366)},
      {.deadline = now},
      {.within = Duration(0)},
      {.callback_url = "ftp://example.com"},
      {.callback_url = "http+unix://%2Frun%2Fx.sock/"},
  };
  for (const JobRequest& request : wrong) {
    const auto refused = submit(request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidRequest) << refused.error().detail;
  }
  EXPECT_TRUE(list()->items.empty());
}

TEST_F(Jobs, are_listed_by_status_and_page) {
  hold();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(*submit());
    engine.pass(std::chrono::milliseconds(1));  // ids sort by time
  }
  ASSERT_TRUE(held.has(1));
  ASSERT_EQ(list("Running")->items.size(), 1u);
  EXPECT_EQ(list("Running")->items[0].id, ids[0]);
  const auto first = list("Queued", "", 3);
  ASSERT_EQ(first->items.size(), 3u);
  const auto rest = list("Queued", *first->next, 3);
  ASSERT_EQ(rest->items.size(), 1u);
  EXPECT_EQ(rest->items[0].id, ids[4]);
  EXPECT_FALSE(rest->next);
  EXPECT_EQ(list("Done").error().code, Code::kInvalidRequest);
}

TEST_F(Jobs, of_one_idempotency_key_are_one) {
  const JobRequest request{.intake = {.idempotency_key = "k", .body = "x"}, .input = "x"};
  const auto first = submit(request);
  ASSERT_TRUE(first);
  EXPECT_EQ(submit(request).value(), *first);
  engine.restart();
  EXPECT_EQ(submit(request).value(), *first);
  JobRequest other = request;
  other.intake.body = "y";
  EXPECT_EQ(submit(other).error().reason, "IdempotencyKeyReused");
  EXPECT_EQ(list()->items.size(), 1u);
}

TEST_F(Jobs, that_go_on_take_several_ticks_and_show_their_progress) {
  engine.handler.script([](const TickInput& input, auto done) {
    TickOutcome outcome = reply("end");
    outcome.writes.job = JobUpdate{.progress = {{"done", input.tick}}, .goes_on = input.tick < 3};
    done(std::move(outcome));
  });
  const auto id = submit();
  ASSERT_TRUE(becomes(*id, Status::kSucceeded));
  const auto job = get(*id);
  EXPECT_EQ(job->ticks, 3);
  EXPECT_EQ(job->progress["done"], 3);
  EXPECT_EQ(job->output->body, "\"end\"");
  EXPECT_TRUE(engine.rows(agent, ItemKind::kInbox).empty());
}

TEST_F(Jobs, that_go_on_do_so_after_a_crash) {
  engine.handler.script([this](const TickInput& input, auto done) {
    if (input.tick > 1) return held(input, done);
    TickOutcome outcome;
    outcome.writes.job = JobUpdate{.goes_on = true};
    done(std::move(outcome));
  });
  const auto id = submit();
  ASSERT_TRUE(held.has(1));
  EXPECT_EQ(get(*id)->status, Status::kRunning);
  engine.restart();
  ASSERT_TRUE(held.has(1));
  held.finish(0);
  ASSERT_TRUE(becomes(*id, Status::kSucceeded));
  EXPECT_EQ(get(*id)->ticks, 2);
}

TEST_F(Jobs, in_the_queue_are_cancelled_by_a_commit) {
  hold();
  const auto first = submit();
  const auto second = submit();
  ASSERT_TRUE(held.has(1));
  std::future<Result<JobRow>> cancelled =
      std::async(std::launch::async, [&] { return cancel(*second); });
  held.finish(0);
  const auto job = cancelled.get();
  ASSERT_TRUE(job) << job.error().detail;
  EXPECT_EQ(job->status, Status::kCancelled);
  EXPECT_EQ(cancel(*second)->status, Status::kCancelled);
  ASSERT_TRUE(becomes(*first, Status::kSucceeded));
  EXPECT_EQ(cancel(*first).error().reason, "TooLate");
  EXPECT_EQ(cancel("nothing").error().code, Code::kNotFound);
}

TEST_F(Jobs, at_their_handler_are_cancelled_and_change_nothing) {
  hold();
  const auto id = submit();
  ASSERT_TRUE(held.has(1));
  const auto job = cancel(*id);
  ASSERT_TRUE(job) << job.error().detail;
  EXPECT_EQ(job->status, Status::kCancelled);
  EXPECT_TRUE(held.is_over(0));
  TickOutcome late = reply("late");
  late.state = std::make_shared<const Json>(1);
  held.finish(0, std::move(late));
  EXPECT_EQ(get(*id)->status, Status::kCancelled);
  EXPECT_EQ(engine.actor(agent)->state(), nullptr);
}

TEST_F(Jobs, that_were_never_loaded_are_cancelled) {
  hold();
  ASSERT_TRUE(submit());
  const auto second = submit();
  ASSERT_TRUE(held.has(1));
  engine.restart();
  const auto job = cancel(*second);
  ASSERT_TRUE(job) << job.error().detail;
  EXPECT_EQ(job->status, Status::kCancelled);
  EXPECT_EQ(job->created, get(*second)->created);
  EXPECT_GT(job->created, Time());
}

TEST_F(Jobs, fail_at_their_deadline) {
  hold();
  const auto running = submit({.within = seconds(5)});
  const auto queued = submit({.deadline = engine.clock.now() + seconds(5)});
  ASSERT_TRUE(held.has(1));
  engine.pass(seconds(5));
  for (const auto& id : {running, queued}) {
    ASSERT_TRUE(eventually([&] {
      engine.scheduler->run_due();
      return get(*id)->status == Status::kFailed;
    }));
    EXPECT_EQ(get(*id)->error->code, Code::kTimeout);
    EXPECT_EQ(get(*id)->error->reason, "JobDeadline");
  }
}

TEST_F(Jobs, that_are_over_in_time_ignore_their_deadline) {
  const auto id = submit({.within = seconds(5)});
  ASSERT_TRUE(becomes(*id, Status::kSucceeded));
  engine.pass(seconds(10));
  ASSERT_TRUE(engine.timer->await_asleep());
  EXPECT_EQ(get(*id)->status, Status::kSucceeded);
}

TEST_F(Jobs, leave_a_callback_with_the_same_commit) {
  JobRequest request{.callback_url = "http://127.0.0.1:1/hook", .callback_secret = "s/k"};
  const auto id = submit(request);
  ASSERT_TRUE(becomes(*id, Status::kSucceeded));
  ASSERT_EQ(callbacks().size(), 1u);
  const OutboxRow row = callbacks()[0];
  EXPECT_EQ(row.kind, OutboxRow::Kind::kCallback);
  EXPECT_EQ(row.id, *id);
  EXPECT_EQ(row.secret, "s/k");
  EXPECT_EQ(row.effect.url, request.callback_url);
  EXPECT_EQ(Json::parse(row.effect.body)["status"], "Succeeded");
}

TEST_F(Jobs, that_fail_say_why_and_are_no_dead_letters) {
  engine.handler.script([](const TickInput&, auto done) {
    done(failed_tick(make_error(Code::kRuntimeError, "NoLuck", "no")));
  });
  const auto id = submit({.callback_url = "http://127.0.0.1:1/hook"});
  ASSERT_TRUE(becomes(*id, Status::kFailed));
  EXPECT_EQ(get(*id)->error->reason, "NoLuck");
  EXPECT_TRUE(engine.rows(agent, ItemKind::kDeadLetter).empty());
  EXPECT_EQ(callbacks().size(), 1u);
}

}  // namespace
}  // namespace oa::runtime
