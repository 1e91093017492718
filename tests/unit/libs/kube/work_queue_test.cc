#include "libs/kube/work_queue.h"

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "libs/obs/system_clock.h"
#include "tests/support/manual_clock.h"

namespace oa::kube {
namespace {

using namespace std::chrono_literals;

const ObjectKey kA{"n", "a"};
const ObjectKey kB{"n", "b"};
const ObjectKey kC{"n", "c"};

struct Core {
  QueueState queue{QueuePolicy{}};
  Monotonic start{1h};

  bool add(const ObjectKey& key, Duration after = 0s, Priority priority = Priority::kUser) {
    return queue.add(key, start + after, priority);
  }
  std::string take(Duration after = 0s) {
    const auto taken = queue.take(start + after);
    return taken ? taken->key.name : "-";
  }
};

TEST(QueueState, hands_out_keys_in_the_order_in_which_they_came) {
  Core c;
  c.add(kB);
  c.add(kA);
  EXPECT_EQ(c.take(), "b");
  EXPECT_EQ(c.take(), "a");
  EXPECT_EQ(c.take(), "-");
}

TEST(QueueState, has_a_key_once) {
  Core c;
  EXPECT_TRUE(c.add(kA));
  EXPECT_FALSE(c.add(kA));
  EXPECT_EQ(c.take(), "a");
  EXPECT_EQ(c.take(), "-");
}

TEST(QueueState, holds_a_key_back_until_it_is_due) {
  Core c;
  c.add(kA, 10s);
  EXPECT_EQ(c.queue.next_due(), c.start + 10s);
  EXPECT_EQ(c.take(9s), "-");
  EXPECT_EQ(c.take(10s), "a");
}

TEST(QueueState, keeps_the_earlier_of_two_times) {
  Core c;
  c.add(kA, 10s);
  c.add(kA, 5s);
  c.add(kA, 20s);
  EXPECT_EQ(c.take(4s), "-");
  EXPECT_EQ(c.take(5s), "a");
  EXPECT_EQ(c.take(20s), "-");
}

TEST(QueueState, never_hands_out_a_key_that_is_being_worked_on) {
  Core c;
  c.add(kA);
  EXPECT_EQ(c.take(), "a");
  c.add(kA);
  c.add(kA);
  EXPECT_EQ(c.take(), "-");
  EXPECT_EQ(c.queue.next_due(), std::nullopt);
  c.queue.done(kA);
  EXPECT_EQ(c.take(), "a") << "once more afterwards";
  c.queue.done(kA);
  EXPECT_EQ(c.take(), "-") << "and only once";
}

TEST(QueueState, keeps_the_delay_of_a_key_added_while_it_was_worked_on) {
  Core c;
  c.add(kA);
  c.take();
  c.add(kA, 10s);
  c.add(kA, 3s);
  c.queue.done(kA);
  EXPECT_EQ(c.take(2s), "-");
  EXPECT_EQ(c.take(3s), "a");
}

TEST(QueueState, prefers_keys_that_somebody_waits_for) {
  Core c;
  c.add(kA, 0s, Priority::kResync);
  c.add(kB, 0s, Priority::kResync);
  c.add(kC, 1s, Priority::kUser);
  EXPECT_EQ(c.take(0s), "a") << "one for later does not hold up what is due";
  EXPECT_EQ(c.take(1s), "c");
  EXPECT_EQ(c.take(1s), "b");
}

TEST(QueueState, raises_the_priority_of_a_waiting_key_and_never_lowers_it) {
  Core c;
  c.add(kA, 0s, Priority::kResync);
  c.add(kB, 0s, Priority::kResync);
  c.add(kB, 0s, Priority::kUser);
  c.add(kB, 0s, Priority::kResync);
  EXPECT_EQ(c.take(), "b");
  EXPECT_EQ(c.take(), "a");
}

TEST(QueueState, backs_off_per_key_up_to_its_limit) {
  Core c;
  EXPECT_EQ(c.queue.backoff(kA), 5ms);
  EXPECT_EQ(c.queue.backoff(kA), 10ms);
  EXPECT_EQ(c.queue.backoff(kB), 5ms);
  for (int i = 0; i < 100; ++i) c.queue.backoff(kA);
  EXPECT_EQ(c.queue.backoff(kA), 60s);
  c.queue.forget(kA);
  EXPECT_EQ(c.queue.backoff(kA), 5ms);
}

TEST(QueueState, ignores_the_end_of_work_that_never_began) {
  Core c;
  EXPECT_EQ(c.queue.done(kA), std::nullopt);
  c.add(kA);
  EXPECT_EQ(c.take(), "a");
}

TEST(QueueState, agrees_with_a_simple_model_over_random_steps) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Core c;
  std::map<ObjectKey, Duration> wanted;
  std::set<ObjectKey> working;
  Duration now{};
  for (int i = 0; i < 20'000; ++i) {
    const ObjectKey key{"", std::string(1, static_cast<char>('a' + random() % 5))};
    switch (random() % 4) {
      case 0: {
        const Duration due = now + std::chrono::seconds(random() % 5);
        c.queue.add(key, c.start + due, random() % 2 ? Priority::kUser : Priority::kResync);
        const auto [it, added] = wanted.try_emplace(key, due);
        it->second = std::min(it->second, due);
        break;
      }
      case 1: {
        const auto taken = c.queue.take(c.start + now);
        const bool any = std::any_of(wanted.begin(), wanted.end(), [&](const auto& w) {
          return w.second <= now && !working.contains(w.first);
        });
        ASSERT_EQ(taken.has_value(), any);
        if (!taken) break;
        ASSERT_LE(wanted.at(taken->key), now);
        ASSERT_TRUE(working.insert(taken->key).second);
        wanted.erase(taken->key);
        break;
      }
      case 2:
        c.queue.done(key);
        working.erase(key);
        break;
      default:
        now += 1s;
    }
    ASSERT_EQ(c.queue.waiting(), wanted.size());
    ASSERT_EQ(c.queue.working(), working.size());
  }
}

TEST(WorkQueue, wakes_a_worker_that_waits) {
  const obs::SystemClock clock;
  obs::Metrics metrics;
  WorkQueue queue("q", {}, clock, metrics);
  std::optional<ObjectKey> got;
  std::jthread worker([&](std::stop_token stop) { got = queue.get(stop); });
  queue.add(kA);
  worker.join();
  EXPECT_EQ(got, kA);
}

TEST(WorkQueue, gives_a_delayed_key_when_it_is_due) {
  const obs::SystemClock clock;
  obs::Metrics metrics;
  WorkQueue queue("q", {}, clock, metrics);
  queue.add_after(kA, 20ms);
  EXPECT_EQ(queue.get({}), kA);
}

TEST(WorkQueue, lets_waiting_workers_go_when_stopped_or_shut_down) {
  const obs::SystemClock clock;
  obs::Metrics metrics;
  WorkQueue queue("q", {}, clock, metrics);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(queue.get(stop.get_token()), std::nullopt);
  std::jthread closer([&] { queue.shutdown(); });
  EXPECT_EQ(queue.get({}), std::nullopt);
}

TEST(WorkQueue, drops_what_waits_and_drains_what_is_being_worked_on_at_shutdown) {
  test::ManualClock clock;
  obs::Metrics metrics;
  WorkQueue queue("q", {}, clock, metrics);
  queue.add(kA);
  queue.add(kB);
  ASSERT_EQ(queue.get({}), kA);
  queue.shutdown();
  queue.add(kC);
  EXPECT_EQ(queue.depth(), 0U);
  EXPECT_EQ(queue.get({}), std::nullopt);
  EXPECT_FALSE(queue.drain(0s)) << "a is still being worked on";
  std::jthread worker([&] { queue.done(kA); });
  EXPECT_TRUE(queue.drain(30s));
}

TEST(WorkQueue, never_gives_a_key_to_two_workers_at_once) {
  const obs::SystemClock clock;
  obs::Metrics metrics;
  WorkQueue queue("q", {}, clock, metrics);
  std::atomic<int> at_work[3]{};
  std::atomic<bool> overlap{false};
  std::atomic<int> runs{0};
  {
    std::vector<std::jthread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&] {
        while (const auto key = queue.get({})) {
          const int index = key->name[0] - 'a';
          if (++at_work[index] != 1) overlap = true;
          ++runs;
          --at_work[index];
          queue.done(*key);
        }
      });
    }
    for (int i = 0; i < 3000; ++i) queue.add(i % 3 == 0 ? kA : i % 3 == 1 ? kB : kC);
    while (queue.depth() > 0) std::this_thread::yield();
    queue.shutdown();
  }
  EXPECT_FALSE(overlap);
  EXPECT_GT(runs, 0);
}

TEST(WorkQueue, counts_what_it_does) {
  test::ManualClock clock;
  obs::Metrics metrics;
  WorkQueue queue("agents", {}, clock, metrics);
  queue.add(kA);
  queue.add(kA);
  clock.advance(2s);
  queue.get({});
  clock.advance(3s);
  std::string text = metrics.text();
  EXPECT_NE(text.find("workqueue_longest_running_processor_seconds{name=\"agents\"} 3"),
            std::string::npos)
      << text;
  queue.retry(kA);
  queue.done(kA);
  text = metrics.text();
  for (const char* line :
       {"workqueue_adds_total{name=\"agents\"} 2", "workqueue_depth{name=\"agents\"} 1",
        "workqueue_retries_total{name=\"agents\"} 1",
        "workqueue_queue_duration_seconds_sum{name=\"agents\"} 2",
        "workqueue_work_duration_seconds_sum{name=\"agents\"} 3",
        "workqueue_unfinished_work_seconds{name=\"agents\"} 0"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace oa::kube
