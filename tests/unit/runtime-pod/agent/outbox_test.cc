#include "runtime-pod/agent/outbox.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/unit/runtime-pod/agent/outbox_world.h"

namespace oa::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using test::OutboxWorld;

std::string header(const Outgoing& request, std::string_view name) {
  std::string value;
  for (const auto& [key, text] : request.headers) {
    if (key == name) value += (value.empty() ? "" : ", ") + text;
  }
  return value;
}

TEST(Outbox, sends_an_effect_and_keeps_what_became_of_it) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("charge-17"));
  EXPECT_TRUE(world.sent.empty());  // not on the thread of the commit
  world.run_all();
  ASSERT_EQ(world.sent.size(), 1);
  const auto sent = world.take();
  EXPECT_EQ(sent.request.method, "POST");
  EXPECT_EQ(sent.request.url, "https://a/hook");
  EXPECT_EQ(sent.request.body, "{}");
  EXPECT_EQ(header(sent.request, "Idempotency-Key"), "charge-17");
  EXPECT_EQ(header(sent.request, "traceparent"), "00-t");
  EXPECT_EQ(header(sent.request, "Agent-Epoch"), "7");
  sent.answer(201, "done");
  EXPECT_FALSE(world.on_disk(1, key));
  const auto row = world.effect_row(1, "charge-17");
  ASSERT_TRUE(row);
  EXPECT_TRUE(row->outcome.delivered);
  EXPECT_EQ(row->outcome.status, 201);
  EXPECT_EQ(row->outcome.body, "done");
  EXPECT_EQ(row->attempts, 1);
  EXPECT_EQ((world.disk.at({1, ItemKind::kEffect, "charge-17"}).due),
            (Due{Due::Class::kExpiry, world.clock.now() + kRemembered}));
  EXPECT_TRUE(world.events.empty());
}

TEST(Outbox, reads_nothing_for_rows_it_was_told_of_once_it_knows_their_agent) {
  OutboxWorld world;
  world.put(1, world.effect("a"));
  world.run_all();
  world.take().answer(200);
  const int reads = world.reads;
  world.put(1, world.effect("b"));
  world.wake_due();
  world.run_all();
  world.take().answer(200);
  world.run_all();
  EXPECT_EQ(world.reads, reads);
}

TEST(Outbox, keeps_the_order_of_each_destination) {
  OutboxWorld world;
  for (const char* name : {"1", "2", "3"}) world.put(1, world.effect(name));
  world.put(1, world.effect("b", "b"));
  world.put(2, world.effect("other agent"));
  std::vector<std::string> order;
  world.run_all();
  EXPECT_EQ(world.sent.size(), 3);  // one for each destination of each agent
  while (!world.sent.empty()) {
    const auto sent = world.take();
    order.push_back(header(sent.request, "Idempotency-Key"));
    sent.answer(200);
    world.run_all();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"1", "b", "other agent", "2", "3"}));
}

TEST(Outbox, a_poisoned_effect_blocks_its_destination_alone_until_its_maximum_age) {
  OutboxWorld world;
  auto bad = world.effect("bad");
  bad.effect.max_age = minutes(30);
  const std::string key = world.put(1, bad);
  world.put(1, world.effect("behind"));
  world.put(1, world.effect("beside", "b"));
  int attempts = 0;
  bool beside = false;
  world.run_all();
  while (!world.effect_row(1, "bad")) {
    while (!world.sent.empty() && !world.effect_row(1, "bad")) {
      const auto sent = world.take();
      const std::string name = header(sent.request, "Idempotency-Key");
      ASSERT_NE(name, "behind");
      beside = beside || name == "beside";
      attempts += name == "bad";
      sent.answer(name == "bad" ? 503 : 200, "sick");
      world.run_all();
    }
    ASSERT_LE(world.clock.now(), bad.created + hours(1));
    world.pass(seconds(1));
  }
  EXPECT_TRUE(beside);
  // 1 s doubled to 5 min: after 0, 1, 3, 7, ... 511, 811, 1111, 1411, 1711 and 1800 seconds.
  EXPECT_EQ(attempts, 15);
  EXPECT_GE(world.clock.now(), bad.created + minutes(30));
  EXPECT_FALSE(world.on_disk(1, key));
  const auto row = world.effect_row(1, "bad");
  EXPECT_FALSE(row->outcome.delivered);
  EXPECT_EQ(row->outcome.status, 503);
  EXPECT_EQ(row->outcome.body, "sick");
  EXPECT_EQ(row->attempts, attempts);
  ASSERT_EQ(world.events.size(), 1);
  EXPECT_EQ(world.events[0].first, 1);
  const Trigger& event = world.events[0].second;
  EXPECT_EQ(event.type, TriggerType::kEvent);
  EXPECT_EQ(event.envelope.source, "outbox");
  EXPECT_EQ(event.envelope.payload.json["effect"], "bad");
  EXPECT_EQ(event.envelope.payload.json["outcome"], "Failed");
  EXPECT_EQ(event.envelope.payload.json["error"]["reason"], "DestinationUnwell");
  ASSERT_EQ(world.sent.size(), 1);
  EXPECT_EQ(header(world.take().request, "Idempotency-Key"), "behind");
}

TEST(Outbox, an_attempt_that_failed_is_on_disk_with_its_next_time) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"));
  world.run_all();
  world.take().done(make_error(Code::kUnavailable, "ConnectFailed", "nobody listens"));
  const Item& item = world.disk.at({1, ItemKind::kOutbox, key});
  EXPECT_EQ(item.due, (Due{Due::Class::kWork, world.clock.now() + seconds(1)}));
  const auto row = decode_outbox(item.value);
  EXPECT_EQ(row->attempts, 1);
  EXPECT_EQ(row->last_error->reason, "ConnectFailed");
  world.pass(milliseconds(999));
  EXPECT_TRUE(world.sent.empty());
  world.pass(milliseconds(1));
  ASSERT_EQ(world.sent.size(), 1);
  EXPECT_EQ(header(world.take().request, "Idempotency-Key"), "a");
}

TEST(Outbox, honours_retry_after) {
  OutboxWorld world;
  world.put(1, world.effect("a"));
  world.run_all();
  world.take().answer(429, "", "120");
  world.pass(seconds(119));
  EXPECT_TRUE(world.sent.empty());
  world.pass(seconds(1));
  EXPECT_EQ(world.sent.size(), 1);
}

TEST(Outbox, what_is_refused_fails_at_once) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"));
  world.run_all();
  world.take().answer(404);
  EXPECT_FALSE(world.on_disk(1, key));
  EXPECT_EQ(world.effect_row(1, "a")->outcome.error.reason, "DestinationRefused");
  EXPECT_EQ(world.events.size(), 1);
}

TEST(Outbox, another_process_goes_on_with_the_same_keys_in_the_same_order) {
  OutboxWorld world;
  world.put(1, world.effect("a"));
  world.put(1, world.effect("b"));
  world.run_all();
  world.take().answer(500);
  world.clock.advance(milliseconds(500));
  world.restart();  // "b" is due, and "a" waits for its next attempt
  world.run_all();
  ASSERT_EQ(world.sent.size(), 1);
  auto sent = world.take();
  EXPECT_EQ(header(sent.request, "Idempotency-Key"), "a");
  world.restart();  // its answer is never seen
  world.run_all();
  sent.answer(200);
  ASSERT_EQ(world.sent.size(), 1);
  sent = world.take();
  EXPECT_EQ(header(sent.request, "Idempotency-Key"), "a");
  sent.answer(200);
  world.run_all();
  EXPECT_EQ(header(world.take().request, "Idempotency-Key"), "b");
}

TEST(Outbox, an_outcome_that_cannot_be_committed_is_committed_later_and_nothing_is_sent_twice) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"));
  world.put(1, world.effect("b"));
  world.run_all();
  world.commit_error = make_error(Code::kLimitExceeded, "StorageFull", "the disk is full");
  int told = 0;
  world.outbox->watch(1, key, "a", [&](const EffectOutcome&) { ++told; });
  world.take().answer(200);
  world.pass(seconds(5));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_TRUE(world.on_disk(1, key));
  EXPECT_EQ(told, 0);
  world.commit_error.reset();
  world.pass(seconds(1));
  EXPECT_FALSE(world.on_disk(1, key));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(header(world.take().request, "Idempotency-Key"), "b");
}

TEST(Outbox, sends_nothing_more_once_the_store_is_closed) {
  OutboxWorld world;
  world.put(1, world.effect("a"));
  world.put(1, world.effect("b"));
  world.run_all();
  world.commit_error = make_error(Code::kUnavailable, "StorageClosed", "closed");
  world.take().answer(200);
  world.put(1, world.effect("c", "c"));
  world.pass(hours(1));
  EXPECT_TRUE(world.sent.empty());
}

TEST(Outbox, forgets_an_agent_that_is_gone) {
  OutboxWorld world;
  world.put(1, world.effect("a"));
  world.put(1, world.effect("b"));
  world.run_all();
  world.disk.clear();
  world.commit_error = make_error(Code::kNotFound, "no such agent");
  world.take().answer(200);
  world.pass(hours(1));
  EXPECT_TRUE(world.sent.empty());
}

TEST(Outbox, stopped_it_abandons_what_is_on_its_way_and_leaves_the_rows) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"));
  world.put(1, world.effect("b", "b"));
  world.run_all();
  world.outbox->stop();
  while (!world.sent.empty()) world.take().answer(200);
  world.put(1, world.effect("c"));
  EXPECT_EQ(world.wake_due(), 3);
  world.pass(hours(1));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_TRUE(world.on_disk(1, key));
}

TEST(Outbox, those_who_wait_are_told_the_outcome_once_also_when_it_was_over_before) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"));
  std::vector<std::string> told;
  const auto note = [&](const EffectOutcome& outcome) {
    EXPECT_FALSE(world.on_disk(1, key));
    told.push_back(outcome.body);
  };
  world.outbox->watch(1, key, "a", note);
  world.run_all();
  world.outbox->watch(1, key, "a", note);
  world.run_all();
  EXPECT_TRUE(told.empty());
  world.take().answer(200, "yes");
  EXPECT_EQ(told.size(), 2);
  world.outbox->watch(1, key, "a", note);
  world.run_all();
  EXPECT_EQ(told, (std::vector<std::string>{"yes", "yes", "yes"}));
  world.outbox->watch(1, "never", "never", note);
  world.run_all();
  EXPECT_EQ(told.size(), 4);
}

TEST(Outbox, signs_callbacks_and_waits_for_their_secret) {
  OutboxWorld world;
  auto row = world.effect("j-1");
  row.kind = OutboxRow::Kind::kCallback;
  row.secret = "known";
  world.put(1, row);
  auto unsigned_row = world.effect("j-2", "b");
  unsigned_row.kind = OutboxRow::Kind::kCallback;
  unsigned_row.secret = "unknown";
  const std::string key = world.put(1, unsigned_row);
  world.run_all();
  ASSERT_EQ(world.sent.size(), 1);
  const auto sent = world.take();
  EXPECT_TRUE(header(sent.request, "Agent-Signature").starts_with("v1="));
  EXPECT_NE(header(sent.request, "Agent-Timestamp"), "");
  sent.answer(200);
  EXPECT_FALSE(world.effect_row(1, "j-1"));  // only effects leave one
  EXPECT_TRUE(world.on_disk(1, key));
  EXPECT_EQ(world.log.find("s3cret"), std::string::npos);
}

OutboxRow message(OutboxWorld& world, std::string to) {
  OutboxRow row;
  row.kind = OutboxRow::Kind::kMessage;
  row.id = "e-1";
  row.destination = "agent " + to;
  row.to = std::move(to);
  row.sender = "default/me";
  row.payload = R"({"x":1})";
  row.created = world.clock.now();
  return row;
}

TEST(Outbox, gives_messages_to_agents_of_this_process) {
  OutboxWorld world;
  const std::string key = world.put(1, message(world, "other/you"));
  world.run_all();
  ASSERT_EQ(world.delivered.size(), 1);
  EXPECT_EQ(world.delivered[0].to, (AgentId{"other", "you"}));
  const Envelope& envelope = world.delivered[0].message.envelope;
  EXPECT_EQ(world.delivered[0].message.type, TriggerType::kMessage);
  EXPECT_EQ(envelope.id, "e-1");
  EXPECT_EQ(envelope.sender, "default/me");
  EXPECT_EQ(envelope.payload.json["x"], 1);
  world.delivered[0].done(make_error(Code::kRateLimited, "its queue is full"));
  EXPECT_TRUE(world.on_disk(1, key));
  world.pass(seconds(1));
  ASSERT_EQ(world.delivered.size(), 2);
  world.delivered[1].done(make_error(Code::kConflict, "Duplicate", "taken before"));
  EXPECT_FALSE(world.on_disk(1, key));
  EXPECT_TRUE(world.events.empty());
}

TEST(Outbox, tells_the_sender_of_a_message_that_nobody_takes) {
  OutboxWorld world;
  world.put(1, message(world, "other/you"));
  world.put(1, message(world, "no agent at all"));
  world.run_all();
  ASSERT_EQ(world.delivered.size(), 1);
  world.delivered[0].done(make_error(Code::kNotFound, "no such agent"));
  ASSERT_EQ(world.events.size(), 2);
  EXPECT_EQ(world.events[1].second.envelope.payload.json["to"], "other/you");
}

TEST(Outbox, posts_messages_to_other_runtimes) {
  OutboxWorld world;
  world.put(1, message(world, "http://far:8080/agents/you/"));
  world.run_all();
  ASSERT_EQ(world.sent.size(), 1);
  const auto sent = world.take();
  EXPECT_EQ(sent.request.url, "http://far:8080/agents/you/send");
  EXPECT_EQ(sent.request.body, R"({"x":1})");
  EXPECT_EQ(header(sent.request, "Agent-Envelope-Id"), "e-1");
  EXPECT_EQ(header(sent.request, "Agent-Sender"), "default/me");
  EXPECT_EQ(header(sent.request, "Content-Type"), "application/json");
}

TEST(Outbox, reads_again_what_could_not_be_read) {
  OutboxWorld world;
  world.read_error = make_error(Code::kUnavailable, "Interrupted", "busy");
  const std::string key = world.put(1, world.effect("a"));
  int told = 0;
  world.outbox->watch(1, key, "a", [&](const EffectOutcome&) { ++told; });
  world.pass(seconds(3));
  EXPECT_TRUE(world.sent.empty());
  world.read_error.reset();
  world.pass(seconds(1));
  world.take().answer(200);
  EXPECT_EQ(told, 1);
}

TEST(Outbox, passes_over_a_row_that_cannot_be_read) {
  OutboxWorld world;
  const std::string key = world.put(1, world.effect("a"), false);
  world.disk[{1, ItemKind::kOutbox, key}].value = "garbage";
  world.put(1, world.effect("b"), false);
  world.wake_due();
  world.pass(minutes(1));
  EXPECT_EQ(header(world.take().request, "Idempotency-Key"), "b");
  EXPECT_TRUE(world.on_disk(1, key));
  EXPECT_NE(world.log.find("Corrupt"), std::string::npos);
}

// Small limits, random answers, commits that fail and processes that die: each effect gets through,
// and for each destination in order.
TEST(Outbox, delivers_everything_in_order_whatever_happens) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto upto = [&](std::uint64_t limit) { return random() % (limit + 1); };
  for (int round = 0; round < 20; ++round) {
    OutboxWorld world({.rows = 12, .agent_rows = 8, .page = 4, .in_flight = 3, .known_agents = 2});
    std::map<std::string, std::vector<std::string>> wanted;  // by agent and host
    std::map<std::string, std::vector<std::string>> seen;
    int left = 60;
    for (int step = 0; step < 20'000 && (left > 0 || !world.disk.empty()); ++step) {
      switch (upto(9)) {
        case 0:
        case 1:
          if (left > 0) {
            const auto agent = static_cast<AgentKey>(1 + upto(3));
            const std::string host = upto(1) == 0 ? "a" : "b";
            auto row = world.effect(std::to_string(left--), host);
            row.effect.max_age = hours(1000);
            row.effect.headers = {{"Lane", std::to_string(agent) + host}};
            wanted[row.effect.headers[0].second].push_back(row.effect.key);
            // Now and then the process dies between the commit and what follows it.
            const bool dies = upto(15) == 0;
            world.put(agent, row, !dies);
            if (dies) world.restart();
          }
          break;
        case 2:
          world.wake_due();
          break;
        case 3:
          world.pass(seconds(upto(300)));
          break;
        case 4:
          if (upto(20) == 0) world.restart();
          break;
        case 5:
          world.commit_error.reset();
          if (upto(3) == 0) world.commit_error = make_error(Code::kUnavailable, "busy");
          break;
        default:
          if (!world.sent.empty()) {
            const auto sent = world.take();
            const bool works = upto(1) == 0;
            if (works) {
              seen[header(sent.request, "Lane")].push_back(header(sent.request, "Idempotency-Key"));
            }
            sent.answer(works ? 200 : 503);
          } else if (!world.work.empty()) {
            const auto next = std::move(world.work.front());
            world.work.pop_front();
            next();
          }
      }
      std::erase_if(world.disk,
                    [](const auto& row) { return std::get<1>(row.first) == ItemKind::kEffect; });
    }
    ASSERT_EQ(left, 0);
    ASSERT_TRUE(world.disk.empty());
    for (auto& [lane, keys] : seen) {
      // What was answered but not committed before a restart is sent again, next.
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    }
    ASSERT_EQ(seen, wanted);
  }
}

}  // namespace
}  // namespace oa::runtime
