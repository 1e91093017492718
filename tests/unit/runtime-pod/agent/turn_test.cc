#include "runtime-pod/agent/turn.h"

#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Error kBroken = make_error(Code::kRuntimeError, "broken");

Monotonic at(Duration since_start) { return Monotonic(since_start); }

// Runs events through a turn and writes its actions down: "run 1/1" is ticket/attempt.
struct Script {
  TurnState state;
  TurnLimits limits{.capacity = 3,
                    .max_tick_duration = seconds(30),
                    .first_backoff = milliseconds(100),
                    .max_backoff = seconds(1)};
  Monotonic now = at(seconds(1));

  std::string operator()(Event event) {
    std::string text;
    for (const Action& action : step(state, std::move(event), now, limits)) {
      text += (text.empty() ? "" : ", ") + describe(action);
    }
    return text;
  }

  static std::string describe(const Action& action) {
    if (const auto* run = std::get_if<RunHandler>(&action)) {
      return "run " + std::to_string(run->item.ticket) + "/" + std::to_string(run->item.attempt);
    }
    if (const auto* commit = std::get_if<Commit>(&action)) {
      return "commit " + std::to_string(commit->item.ticket);
    }
    if (const auto* failed = std::get_if<AttemptFailed>(&action)) {
      return std::string(failed->again ? "again " : "failed ") +
             std::to_string(failed->item.ticket);
    }
    const auto& answer = std::get<Answer>(action);
    return "answer " + std::to_string(answer.ticket) +
           (answer.error ? " " + std::string(code_name(answer.error->code)) : "");
  }

  Event tick(Ticket ticket, Duration patience = seconds(60)) const {
    return Arrived{{.ticket = ticket, .deadline = now + patience}};
  }
  Event write(Ticket ticket) const {
    return Arrived{{.ticket = ticket, .kind = Item::Kind::kWrite, .deadline = now + seconds(60)}};
  }
};

TEST(Turn, answers_only_after_the_commit) {  // I2
  Script script;
  EXPECT_EQ(script(script.tick(1)), "run 1/1");
  EXPECT_EQ(script(Handled{.ticket = 1}), "commit 1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1");
  EXPECT_TRUE(is_idle(script.state));
}

TEST(Turn, runs_one_item_at_a_time_in_order_of_arrival) {  // I1
  Script script;
  EXPECT_EQ(script(script.tick(1)), "run 1/1");
  EXPECT_EQ(script(script.write(2)), "");
  EXPECT_EQ(script(script.tick(3)), "");
  EXPECT_EQ(script(Handled{.ticket = 1}), "commit 1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1, commit 2");
  EXPECT_EQ(script(Stored{.ticket = 2}), "answer 2, run 3/1");
}

TEST(Turn, gives_each_item_a_tick_number_that_its_retries_keep) {
  Script script;
  script.state.last_tick = 41;
  script(script.tick(1));
  EXPECT_EQ(script.state.running->item.tick, 42);
  script(script.tick(2));
  EXPECT_EQ(script(Handled{.ticket = 1, .error = kBroken, .retry = true}), "again 1, run 2/1");
  EXPECT_EQ(script.state.running->item.tick, 43);
  script(Handled{.ticket = 2});
  script.now += milliseconds(200);
  EXPECT_EQ(script(Stored{.ticket = 2}), "answer 2, run 1/2");
  EXPECT_EQ(script.state.running->item.tick, 42);
}

TEST(Turn, lets_others_go_ahead_while_one_waits_for_its_back_off) {
  Script script;
  script(script.tick(1));
  EXPECT_EQ(script(Handled{.ticket = 1, .error = kBroken, .retry = true}), "again 1");
  EXPECT_EQ(script(script.tick(2)), "run 2/1");
  script.now += milliseconds(100);
  EXPECT_EQ(script(TimePassed{}), "");
  EXPECT_EQ(script(Handled{.ticket = 2}), "commit 2");
  EXPECT_EQ(script(Stored{.ticket = 2}), "answer 2, run 1/2");
}

TEST(Turn, wakes_for_the_end_of_a_back_off) {
  Script script;
  script(script.tick(1));
  script(Handled{.ticket = 1, .error = kBroken, .retry = true});
  EXPECT_EQ(script.state.wake, script.now + milliseconds(100));
  script.now = script.state.wake;
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
}

TEST(Turn, answers_a_permanent_failure_at_once) {
  Script script;
  script(script.tick(1));
  EXPECT_EQ(script(Handled{.ticket = 1, .error = kBroken}), "failed 1, answer 1 RUNTIME_ERROR");
  EXPECT_TRUE(is_idle(script.state));
}

TEST(Turn, tells_the_caller_what_the_store_refused) {
  Script script;
  script(script.tick(1));
  script(Handled{.ticket = 1});
  const Error limit = make_error(Code::kLimitExceeded, "StorageLimit", "too big");
  EXPECT_EQ(script(Stored{.ticket = 1, .error = limit}), "failed 1, answer 1 LIMIT_EXCEEDED");
}

TEST(Turn, gives_up_at_the_callers_deadline_with_the_last_error) {
  Script script;
  script(script.tick(1, milliseconds(150)));
  EXPECT_EQ(script(Handled{.ticket = 1, .error = kBroken, .retry = true}), "again 1");
  script.now += milliseconds(100);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  const auto actions =
      step(script.state, Handled{.ticket = 1, .attempt = 2, .error = kBroken, .retry = true},
           script.now, script.limits);
  ASSERT_EQ(actions.size(), 2u);
  EXPECT_EQ(Script::describe(actions[1]), "answer 1 TIMEOUT");
  EXPECT_NE(std::get<Answer>(actions[1]).error->detail.find("attempt 2 failed: broken"),
            std::string::npos);
}

TEST(Turn, answers_a_waiting_item_at_its_deadline) {
  Script script;
  script(script.tick(1));
  script(script.tick(2, seconds(5)));
  script.now += seconds(5);
  EXPECT_EQ(script(TimePassed{}), "answer 2 TIMEOUT");
  EXPECT_EQ(script(Handled{.ticket = 1}), "commit 1");
}

TEST(Turn, tries_a_tick_again_that_took_too_long_and_ignores_its_late_result) {
  Script script;
  script(script.tick(1, seconds(100)));
  EXPECT_EQ(script.state.wake, script.now + seconds(30));
  script.now += seconds(30);
  EXPECT_EQ(script(TimePassed{}), "again 1");
  script.now += seconds(1);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  EXPECT_EQ(script(Handled{.ticket = 1, .attempt = 1}), "");
  EXPECT_EQ(script(Handled{.ticket = 1, .attempt = 2}), "commit 1");
}

TEST(Turn, waits_for_a_commit_under_way_beyond_the_deadline) {
  Script script;
  script(script.tick(1, seconds(5)));
  script(Handled{.ticket = 1});
  script.now += seconds(10);
  EXPECT_EQ(script(TimePassed{}), "");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1");
}

TEST(Turn, refuses_what_its_queue_cannot_hold) {
  Script script;
  for (Ticket ticket = 1; ticket <= 4; ++ticket) script(script.tick(ticket));
  EXPECT_EQ(script(script.tick(5)), "answer 5 RATE_LIMITED");
  EXPECT_EQ(script.state.waiting.size(), 3u);
}

TEST(Turn, finishes_what_it_has_when_it_is_closed) {
  Script script;
  script(script.tick(1));
  script(script.tick(2));
  EXPECT_EQ(script(Closed{make_error(Code::kUnavailable, "stopping")}), "");
  EXPECT_EQ(script(script.tick(3)), "answer 3 UNAVAILABLE");
  script(Handled{.ticket = 1});
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1, run 2/1");
}

TEST(Turn, discards_everything_but_a_commit_under_way) {
  const Event discard = Discarded{make_error(Code::kNotFound, "deleted")};
  Script handling;
  handling(handling.tick(1));
  handling(handling.tick(2));
  EXPECT_EQ(handling(discard), "answer 2 NOT_FOUND, failed 1, answer 1 NOT_FOUND");
  EXPECT_EQ(handling(Handled{.ticket = 1}), "");

  Script committing;
  committing(committing.tick(1));
  committing(Handled{.ticket = 1});
  EXPECT_EQ(committing(discard), "");
  EXPECT_EQ(committing(Stored{.ticket = 1}), "answer 1");
}

TEST(Turn, doubles_the_back_off_up_to_its_limit) {
  const TurnLimits limits{.first_backoff = milliseconds(100), .max_backoff = seconds(1)};
  EXPECT_EQ(backoff(1, 0, limits), milliseconds(100));
  EXPECT_EQ(backoff(2, 0, limits), milliseconds(200));
  EXPECT_EQ(backoff(4, 0, limits), milliseconds(800));
  EXPECT_EQ(backoff(5, 0, limits), seconds(1));
  EXPECT_EQ(backoff(1000, 0, limits), seconds(1));
  EXPECT_EQ(backoff(1, 0.5, limits), milliseconds(125));
}

// Random events: every item is answered exactly once, no two are ever at work together, and a
// success follows its commit.
TEST(Turn, answers_every_item_exactly_once_whatever_happens) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Script script;
  Ticket last = 0;
  std::set<Ticket> open;
  std::optional<RunHandler> handling;
  std::optional<Ticket> committing;
  std::set<Ticket> stored;
  const auto play = [&](Event event) {
    for (const Action& action : step(script.state, std::move(event), script.now, script.limits)) {
      if (const auto* run = std::get_if<RunHandler>(&action)) {
        ASSERT_FALSE(committing);
        handling = *run;
      } else if (const auto* commit = std::get_if<Commit>(&action)) {
        ASSERT_FALSE(committing);
        committing = commit->item.ticket;
      } else if (const auto* answer = std::get_if<Answer>(&action)) {
        ASSERT_EQ(open.erase(answer->ticket), 1u);
        ASSERT_TRUE(answer->error || stored.count(answer->ticket) == 1);
      }
    }
  };
  for (int i = 0; i < 20'000; ++i) {
    script.now += milliseconds(random() % 200);
    const auto choice = random() % 6;
    if (choice == 0) {
      open.insert(++last);
      play(random() % 2 ? script.tick(last, seconds(random() % 20)) : script.write(last));
    } else if (choice == 1 && handling) {
      const bool fails = random() % 2;
      Handled event{.ticket = handling->item.ticket, .attempt = handling->item.attempt};
      if (fails) event.error = kBroken;
      event.retry = random() % 2;
      play(event);
    } else if (choice <= 3 && committing) {
      Stored event{.ticket = *committing};
      if (random() % 4 == 0) event.error = kBroken;
      if (!event.error) stored.insert(*committing);
      committing.reset();
      play(event);
    } else {
      play(TimePassed{});
    }
    if (HasFatalFailure()) return;
  }
  // First nothing is left to begin, then the commit under way decides itself.
  play(Discarded{kBroken});
  if (committing) play(Stored{.ticket = *committing, .error = kBroken});
  EXPECT_TRUE(open.empty());
}

}  // namespace
}  // namespace oa::runtime
