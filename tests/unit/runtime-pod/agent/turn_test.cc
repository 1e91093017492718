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
const Error kTooBig = make_error(Code::kLimitExceeded, "StorageLimit", "too big");
const Error kFull = make_error(Code::kLimitExceeded, "StorageFull", "the disk is full");
const Error kFollows = make_error(Code::kInternal, "Fenced", "must follow another commit");

Monotonic at(Duration since_start) { return Monotonic(since_start); }

// Runs events through a turn and writes its actions down: "run 1/1" is ticket/attempt.
struct Script {
  TurnState state;
  TurnLimits limits{.capacity = 3,
                    .max_tick_duration = seconds(30),
                    .max_attempts = 3,
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
    if (const auto* given_up = std::get_if<GiveUp>(&action)) {
      return "give up " + std::to_string(given_up->ticket);
    }
    if (const auto* commit = std::get_if<Commit>(&action)) {
      return (commit->item.verdict ? "commit failure " : "commit ") +
             std::to_string(commit->item.ticket);
    }
    if (const auto* undo = std::get_if<Undo>(&action))
      return "undo " + std::to_string(undo->ticket);
    if (const auto* park = std::get_if<Park>(&action))
      return "park " + std::to_string(park->ticket);
    if (const auto* failed = std::get_if<AttemptFailed>(&action)) {
      return std::string(failed->again ? "again " : "failed ") +
             std::to_string(failed->item.ticket);
    }
    const auto& answer = std::get<Answer>(action);
    return "answer " + std::to_string(answer.ticket) +
           (answer.error ? " " + std::string(code_name(answer.error->code)) : "");
  }

  Event tick(Ticket ticket, Duration patience = seconds(60), std::string lane = "") const {
    return Arrived{{.ticket = ticket, .lane = std::move(lane), .deadline = now + patience}};
  }
  Event durable(Ticket ticket, std::string lane = "") const {
    return Arrived{{.ticket = ticket, .lane = std::move(lane), .is_durable = true}};
  }
  Event write(Ticket ticket, bool is_barrier = false) const {
    return Arrived{{.ticket = ticket,
                    .kind = QueueItem::Kind::kWrite,
                    .is_barrier = is_barrier,
                    .deadline = now + seconds(60)}};
  }
  // Of the run that is at the handler.
  Handled done(Ticket ticket) const { return {.ticket = ticket, .run = run_of(ticket)}; }
  Handled failed(Ticket ticket, bool retry = false) const {
    return {.ticket = ticket, .run = run_of(ticket), .error = kBroken, .retry = retry};
  }
  Run run_of(Ticket ticket) const {
    return state.running && state.running->item.ticket == ticket ? state.running->item.start : 0;
  }
};

TEST(Turn, answers_only_after_the_commit) {  // I2
  Script script;
  EXPECT_EQ(script(script.tick(1)), "run 1/1");
  EXPECT_EQ(script(script.done(1)), "commit 1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1");
  EXPECT_TRUE(is_idle(script.state));
}

TEST(Turn, has_one_item_at_the_handler_and_starts_the_next_ahead_of_the_commit) {  // I1
  Script script;
  EXPECT_EQ(script(script.tick(1)), "run 1/1");
  EXPECT_EQ(script(script.write(2)), "");
  EXPECT_EQ(script(script.tick(3)), "");
  EXPECT_EQ(script(script.done(1)), "commit 1, commit 2, run 3/1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1");
  EXPECT_EQ(script(script.done(3)), "commit 3");
  EXPECT_EQ(script(Stored{.ticket = 2}), "answer 2");
  EXPECT_EQ(script(Stored{.ticket = 3}), "answer 3");
}

TEST(Turn, starts_nothing_on_top_of_a_write_that_may_be_refused) {
  Script script;
  EXPECT_EQ(script(script.write(1, true)), "commit 1");
  EXPECT_EQ(script(script.tick(2)), "");
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kTooBig}), "answer 1 LIMIT_EXCEEDED, run 2/1");
}

TEST(Turn, holds_the_next_item_back_when_too_many_wait_for_their_commit) {
  Script script;
  script.limits.pipeline = 2;
  script(script.tick(1));
  script(script.tick(2));
  script(script.tick(3));
  script(script.done(1));
  EXPECT_EQ(script(script.done(2)), "commit 2");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1, run 3/1");
}

TEST(Turn, runs_again_what_was_started_on_top_of_a_commit_that_failed) {
  Script script;
  for (Ticket ticket = 1; ticket <= 4; ++ticket) script(script.tick(ticket));
  script(script.done(1));
  script(script.done(2));
  EXPECT_EQ(script.run_of(3), 3u);
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kTooBig}), "give up 3, undo 3, failed 1, undo 1");
  // The store refuses what follows it; then all of it runs again, in the same order.
  EXPECT_EQ(script(Stored{.ticket = 2, .error = kFollows}), "undo 2, commit failure 1, run 2/1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1 LIMIT_EXCEEDED");
  EXPECT_EQ(script(script.done(2)), "commit 2, run 3/1");
}

TEST(Turn, gives_each_item_a_tick_number_that_its_retries_keep) {
  Script script;
  script.state.last_tick = 41;
  script(script.tick(1));
  EXPECT_EQ(script.state.running->item.tick, 42);
  script(script.tick(2));
  EXPECT_EQ(script(script.failed(1, true)), "again 1, run 2/1");
  EXPECT_EQ(script.state.running->item.tick, 43);
  script(script.done(2));
  script.now += milliseconds(200);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  EXPECT_EQ(script.state.running->item.tick, 42);
}

TEST(Turn, lets_others_go_ahead_while_one_waits_for_its_back_off) {
  Script script;
  script(script.tick(1));
  EXPECT_EQ(script(script.failed(1, true)), "again 1");
  EXPECT_EQ(script(script.tick(2)), "run 2/1");
  script.now += milliseconds(100);
  EXPECT_EQ(script(TimePassed{}), "");
  EXPECT_EQ(script(script.done(2)), "commit 2, run 1/2");
}

TEST(Turn, keeps_the_order_of_a_sender_while_one_of_its_items_waits) {  // I3
  Script script;
  script(script.durable(1, "a"));
  script(script.durable(2, "a"));
  script(script.durable(3, "b"));
  EXPECT_EQ(script(script.failed(1, true)), "again 1, run 3/1");
  EXPECT_EQ(script(script.done(3)), "commit 3");
  EXPECT_EQ(script(Stored{.ticket = 3}), "answer 3");
  script.now += milliseconds(100);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  EXPECT_EQ(script(script.done(1)), "commit 1, run 2/1");
}

TEST(Turn, gives_senders_their_turns_whatever_each_has_waiting) {
  Script script;
  script.limits.capacity = 100;
  script(script.tick(1, seconds(60), "a"));
  for (Ticket ticket = 2; ticket <= 5; ++ticket) script(script.tick(ticket, seconds(60), "a"));
  script(script.tick(6, seconds(60), "b"));
  EXPECT_EQ(script(script.done(1)), "commit 1, run 2/1");
  EXPECT_EQ(script(script.done(2)), "commit 2, run 6/1");
  EXPECT_EQ(script(script.done(6)), "commit 6, run 3/1");
}

TEST(Turn, wakes_for_the_end_of_a_back_off) {
  Script script;
  script(script.tick(1));
  script(script.failed(1, true));
  EXPECT_EQ(script.state.wake, script.now + milliseconds(100));
  script.now = script.state.wake;
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
}

TEST(Turn, commits_a_permanent_failure_before_it_is_answered) {
  Script script;
  script(script.tick(1));
  EXPECT_EQ(script(script.failed(1)), "failed 1, commit failure 1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1 RUNTIME_ERROR");
  EXPECT_TRUE(is_idle(script.state));
}

TEST(Turn, commits_as_failed_what_the_store_refused) {
  Script script;
  script(script.tick(1));
  script(script.done(1));
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kTooBig}), "failed 1, undo 1, commit failure 1");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1 LIMIT_EXCEEDED");
}

TEST(Turn, keeps_a_durable_item_for_later_when_the_disk_is_full) {
  Script script;
  script(script.durable(1));
  script(script.done(1));
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kFull}), "again 1, undo 1");
  script.now += seconds(1);
  EXPECT_EQ(script(TimePassed{}), "run 1/1");
}

TEST(Turn, tells_a_caller_at_once_that_the_disk_is_full) {
  Script script;
  script(script.tick(1));
  script(script.done(1));
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kFull}), "answer 1 LIMIT_EXCEEDED");
}

TEST(Turn, gives_a_durable_item_up_after_its_last_attempt) {
  Script script;
  script(script.durable(1));
  for (int attempt = 1; attempt < 3; ++attempt) {
    EXPECT_EQ(script(script.failed(1, true)), "again 1");
    script.now += seconds(1);
    script(TimePassed{});
  }
  EXPECT_EQ(script(script.failed(1, true)), "failed 1, commit failure 1");
}

TEST(Turn, gives_a_durable_item_up_when_it_has_been_tried_for_too_long) {
  Script script;
  script.limits.max_attempts = 100;
  script.limits.max_age = seconds(10);
  script(script.durable(1));
  script.now += seconds(10);
  EXPECT_EQ(script(script.failed(1, true)), "failed 1, commit failure 1");
}

TEST(Turn, gives_up_at_the_callers_deadline_with_the_last_error) {
  Script script;
  script(script.tick(1, milliseconds(150)));
  EXPECT_EQ(script(script.failed(1, true)), "again 1");
  script.now += milliseconds(100);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  EXPECT_EQ(script(script.failed(1, true)), "failed 1, commit failure 1");
  const auto actions = step(script.state, Stored{.ticket = 1}, script.now, script.limits);
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_NE(std::get<Answer>(actions[0]).error->detail.find("attempt 2 failed: broken"),
            std::string::npos);
}

TEST(Turn, answers_a_waiting_item_at_its_deadline) {
  Script script;
  script(script.tick(1));
  script(script.tick(2, seconds(5)));
  script.now += seconds(5);
  EXPECT_EQ(script(TimePassed{}), "answer 2 TIMEOUT");
  EXPECT_EQ(script(script.done(1)), "commit 1");
}

TEST(Turn, tries_a_tick_again_that_took_too_long_and_ignores_its_late_result) {
  Script script;
  script(script.tick(1, seconds(100)));
  const Handled late = script.done(1);
  EXPECT_EQ(script.state.wake, script.now + seconds(30));
  script.now += seconds(30);
  EXPECT_EQ(script(TimePassed{}), "give up 1, again 1");
  script.now += seconds(1);
  EXPECT_EQ(script(TimePassed{}), "run 1/2");
  EXPECT_EQ(script(late), "");
  EXPECT_EQ(script(script.done(1)), "commit 1");
}

TEST(Turn, gives_up_an_attempt_that_missed_its_heartbeat) {
  Script script;
  script(script.durable(1));
  EXPECT_EQ(script(Beat{.ticket = 1, .run = script.run_of(1), .next = seconds(1)}), "");
  EXPECT_EQ(script.state.wake, script.now + seconds(1));
  script.now += seconds(1);
  EXPECT_EQ(script(TimePassed{}), "give up 1, again 1");
}

TEST(Turn, waits_for_a_commit_under_way_beyond_the_deadline) {
  Script script;
  script(script.tick(1, seconds(5)));
  script(script.done(1));
  script.now += seconds(10);
  EXPECT_EQ(script(TimePassed{}), "");
  EXPECT_EQ(script(Stored{.ticket = 1}), "answer 1");
}

TEST(Turn, ends_a_cancelled_item_unless_it_is_committing) {
  Script script;
  script(script.durable(1));
  script(script.durable(2));
  EXPECT_EQ(script(Cancelled{.ticket = 1, .why = kBroken}),
            "give up 1, failed 1, commit failure 1, run 2/1");
  EXPECT_EQ(script(script.done(2)), "commit 2");
  EXPECT_EQ(script(Cancelled{.ticket = 2, .why = kBroken}), "");
  script(script.tick(3));
  script(script.tick(4));
  script(script.durable(5));
  EXPECT_EQ(script(Cancelled{.ticket = 4, .why = kBroken}), "answer 4 RUNTIME_ERROR");
  EXPECT_EQ(script(Cancelled{.ticket = 5, .why = kBroken}), "failed 5, commit failure 5");
  EXPECT_EQ(script(script.done(3)), "commit 3");
}

TEST(Turn, no_caller_ends_an_item_that_has_a_row_by_now) {
  Script script;
  script(script.tick(1, seconds(5)));
  script(Persisted{.ticket = 1});
  script.now += seconds(6);
  EXPECT_EQ(script(TimePassed{}), "");
  EXPECT_EQ(script(script.done(1)), "commit 1");
}

TEST(Turn, lets_go_of_an_item_that_waits_for_people) {
  Script script;
  script(script.durable(1, "a"));
  script(script.durable(2, "a"));
  Handled parked = script.done(1);
  parked.parks = true;
  EXPECT_EQ(script(parked), "park 1, run 2/1");
}

TEST(Turn, refuses_what_its_queue_cannot_hold_but_not_what_has_a_row) {
  Script script;
  for (Ticket ticket = 1; ticket <= 4; ++ticket) script(script.tick(ticket));
  EXPECT_EQ(script(script.tick(5)), "answer 5 RATE_LIMITED");
  EXPECT_EQ(script(script.durable(6)), "");
  EXPECT_EQ(script.state.waiting, 4u);
}

TEST(Turn, finishes_what_it_has_when_it_is_closed) {
  Script script;
  script(script.tick(1));
  script(script.tick(2));
  EXPECT_EQ(script(Closed{make_error(Code::kUnavailable, "stopping")}), "");
  EXPECT_EQ(script(script.tick(3)), "answer 3 UNAVAILABLE");
  EXPECT_EQ(script(script.done(1)), "commit 1, run 2/1");
}

TEST(Turn, discards_everything_but_a_commit_under_way) {
  const Event discard = Discarded{make_error(Code::kNotFound, "deleted")};
  Script script;
  script(script.tick(1));
  script(script.tick(2));
  script(script.tick(3));
  script(script.done(1));
  EXPECT_EQ(script(discard), "answer 3 NOT_FOUND, give up 2, answer 2 NOT_FOUND");
  EXPECT_EQ(script(script.done(2)), "");
  EXPECT_EQ(script(Stored{.ticket = 1, .error = kTooBig}), "failed 1, undo 1, answer 1 NOT_FOUND");
  EXPECT_TRUE(is_idle(script.state));
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

// A world of random events around a turn, with a store that refuses what follows a failed commit.
struct Chaos {
  explicit Chaos(unsigned seed) : random(seed) {}

  void play(Event event) {
    for (const Action& action : step(script.state, std::move(event), script.now, script.limits)) {
      if (const auto* run = std::get_if<RunHandler>(&action)) {
        ASSERT_FALSE(handling);
        handling = *run;
      } else if (std::holds_alternative<GiveUp>(action) || std::holds_alternative<Park>(action)) {
        if (const auto* park = std::get_if<Park>(&action)) open.erase(park->ticket);
        handling.reset();
      } else if (const auto* commit = std::get_if<Commit>(&action)) {
        committing.push_back(commit->item.ticket);
      } else if (const auto* answer = std::get_if<Answer>(&action)) {
        ASSERT_EQ(open.erase(answer->ticket), 1u);
        ASSERT_TRUE(answer->error || stored.count(answer->ticket) == 1);
      }
    }
  }
  void arrive() {
    open.insert(++last);
    const std::string lane = random() % 3 == 0 ? "" : std::string(1, 'a' + random() % 3);
    switch (random() % 4) {
      case 0:
        return play(script.write(last, random() % 2));
      case 1:
        return play(script.durable(last, lane));
      default:
        return play(script.tick(last, seconds(random() % 20), lane));
    }
  }
  void handle() {
    Handled event{.ticket = handling->item.ticket, .run = handling->run};
    if (random() % 2) event.error = kBroken;
    event.retry = random() % 2;
    event.parks = !event.error && handling->item.is_durable && random() % 4 == 0;
    handling.reset();
    play(event);
  }
  void store() {
    const Ticket ticket = committing.front();
    committing.pop_front();
    Stored event{.ticket = ticket};
    if (script.state.doomed > 0) {
      event.error = kFollows;
    } else if (random() % 4 == 0) {
      event.error = random() % 2 ? kTooBig : kFull;
    } else {
      stored.insert(ticket);
    }
    play(event);
  }

  std::mt19937 random;
  Script script;
  Ticket last = 0;
  std::set<Ticket> open;
  std::set<Ticket> stored;
  std::optional<RunHandler> handling;
  std::deque<Ticket> committing;
};

// Every item is answered exactly once or parked, one is at the handler at a time, and a success
// follows its commit.
TEST(Turn, answers_every_item_exactly_once_whatever_happens) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Chaos chaos(seed);
  for (int i = 0; i < 50'000; ++i) {
    chaos.script.now += milliseconds(chaos.random() % 100);
    const auto choice = chaos.random() % 8;
    if (choice <= 1) {
      chaos.arrive();
    } else if (choice <= 3 && chaos.handling) {
      chaos.handle();
    } else if (choice <= 5 && !chaos.committing.empty()) {
      chaos.store();
    } else if (choice == 6 && chaos.last > 0) {
      chaos.play(Cancelled{.ticket = chaos.last - chaos.random() % 4, .why = kBroken});
    } else {
      chaos.play(TimePassed{});
    }
    if (HasFatalFailure()) return;
  }
  // First nothing is left to begin, then the commits under way decide themselves.
  chaos.play(Closed{kBroken});
  chaos.play(Discarded{kBroken});
  while (!chaos.committing.empty() && !HasFatalFailure()) chaos.store();
  EXPECT_TRUE(chaos.open.empty());
  EXPECT_TRUE(is_idle(chaos.script.state));
}

}  // namespace
}  // namespace oa::runtime
