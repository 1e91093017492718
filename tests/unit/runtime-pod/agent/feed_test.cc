#include "runtime-pod/agent/feed.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "core/json.h"

namespace oa::runtime {
namespace {

const Time kTime(std::chrono::seconds(60));

LogRecord tick_record(std::int64_t id, std::int64_t tick) {
  return {id,
          LogKind::kTick,
          tick,
          1,
          kTime,
          R"({"tickId":"t-000000000007","trigger":"Request","envelopeId":"e","source":"http",)"
          R"("attempt":2,"outcome":"Committed","durationMs":1500,"steps":1})",
          {}};
}

LogRecord event_record(std::int64_t id, std::int64_t tick, std::string text) {
  return {id, LogKind::kEvent, tick, 0, kTime, std::move(text), {}};
}

const std::string kNoted =
    R"([{"event":"step","time":"1970-01-01T00:00:59.000Z","name":"fetch","outcome":"Recorded"},)"
    R"({"event":"log","text":"x"}])";

std::string shown(const std::vector<StreamEvent>& events) {
  std::string text;
  for (const StreamEvent& event : events) {
    text += to_string(event.id) + " " + event.name + " " + event.data + "\n";
  }
  return text;
}

TEST(EventsOf, a_tick_shows_its_start_what_it_noted_and_its_end) {
  EXPECT_EQ(
      shown(events_of(std::vector{tick_record(40, 7), event_record(41, 7, kNoted)})),
      R"(40-0 tick_start {"time":"1970-01-01T00:00:58.500Z","tickId":"t-000000000007","attempt":2,)"
      R"("trigger":"Request","envelopeId":"e","source":"http"})"
      "\n"
      R"(41-0 step {"time":"1970-01-01T00:00:59.000Z","tickId":"t-000000000007","attempt":2,)"
      R"("name":"fetch","outcome":"Recorded"})"
      "\n"
      R"(41-1 log {"time":"1970-01-01T00:01:00.000Z","tickId":"t-000000000007","attempt":2,)"
      R"("text":"x"})"
      "\n"
      R"(41-2 tick_end {"time":"1970-01-01T00:01:00.000Z","tickId":"t-000000000007","attempt":2,)"
      R"("outcome":"Committed","durationMs":1500,"steps":1})"
      "\n");
}

TEST(EventsOf, records_stand_alone_where_their_fellows_are_not_there) {
  const auto names = [](const std::vector<LogRecord>& records) {
    std::string text;
    for (const StreamEvent& event : events_of(records)) {
      text += to_string(event.id) + " " + event.name + ", ";
    }
    return text;
  };
  EXPECT_EQ(names({}), "");
  EXPECT_EQ(names({tick_record(40, 7)}), "40-0 tick_start, 40-1 tick_end, ");
  EXPECT_EQ(names({event_record(41, 7, kNoted)}), "41-0 step, 41-1 log, ");
  EXPECT_EQ(
      names({tick_record(40, 7), event_record(43, 7, kNoted), tick_record(44, 8)}),
      "40-0 tick_start, 40-1 tick_end, 43-0 step, 43-1 log, 44-0 tick_start, 44-1 tick_end, ");
  EXPECT_EQ(names({tick_record(40, 7), event_record(41, 0, kNoted)}),
            "40-0 tick_start, 40-1 tick_end, 41-0 step, 41-1 log, ");
}

// Whatever a client saw last: what it is shown afterwards is the rest, and nothing twice.
TEST(EventsOf, a_stream_goes_on_after_each_of_its_events) {
  const std::vector<LogRecord> log{tick_record(1, 6), tick_record(40, 7),
                                   event_record(41, 7, kNoted), tick_record(42, 8),
                                   event_record(44, 0, kNoted)};
  const auto all = events_of(log);
  for (std::size_t seen = 0; seen < all.size(); ++seen) {
    const EventId last = all[seen].id;
    std::vector<LogRecord> behind;
    for (const LogRecord& record : log) {
      if (record.id > record_before(last)) behind.push_back(record);
    }
    auto rest = events_of(behind);
    std::erase_if(rest, [&](const StreamEvent& event) { return event.id <= last; });
    EXPECT_EQ(shown(rest), shown({all.begin() + static_cast<std::ptrdiff_t>(seen) + 1, all.end()}))
        << to_string(last);
  }
}

TEST(EventsOf, what_cannot_be_read_is_shown_as_such) {
  LogRecord bad = tick_record(5, 1);
  bad.text = "[]";
  const auto events = events_of(
      std::vector{bad, event_record(8, 0, "{\"a\":"), event_record(9, 0, R"([1, {"event": 2}])")});
  ASSERT_EQ(events.size(), 4);
  EXPECT_EQ(events[0].name, "unreadable");
  EXPECT_EQ(events[1].name, "unreadable");
  EXPECT_EQ(events[2].name, "event");
  EXPECT_EQ(events[3].name, "event");
}

TEST(EventId, reads_what_it_writes_and_nothing_else) {
  EXPECT_EQ(parse_event_id(to_string({1042, 3})).value(), (EventId{1042, 3}));
  for (const char* text : {"", "-", "1", "1-", "-1-2", "1--2", "01-2", "1-2 ", "1-2-3", "x-1",
                           "99999999999999999999-0", "+1-0"}) {
    EXPECT_FALSE(parse_event_id(text)) << text;
  }
}

StreamEvent event(std::string name) { return {{1, 0}, std::move(name), "{}", true}; }

TEST(Watchers, are_told_of_their_agent_until_they_leave) {
  Watchers watchers;
  std::vector<std::string> seen;
  const auto note = [&](const StreamEvent& e) { seen.push_back(e.name); };
  watchers.publish(1, event("nobody"));
  EXPECT_FALSE(watchers.any(1));
  {
    const auto first = watchers.subscribe(1, note);
    const auto second = watchers.subscribe(1, note);
    EXPECT_TRUE(watchers.any(1));
    EXPECT_FALSE(watchers.any(2));
    watchers.publish(1, event("a"));
    watchers.publish(2, event("b"));
  }
  EXPECT_FALSE(watchers.any(1));
  watchers.publish(1, event("c"));
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "a"}));
}

TEST(Watchers, may_leave_while_they_are_told) {
  Watchers watchers;
  int told = 0;
  Watchers::Subscription subscription;
  subscription = watchers.subscribe(1, [&](const StreamEvent&) {
    ++told;
    const auto gone = std::move(subscription);
  });
  watchers.publish(1, event("a"));
  watchers.publish(1, event("b"));
  EXPECT_EQ(told, 1);
}

TEST(Watchers, may_be_outlived_by_a_subscription) {
  Watchers::Subscription subscription;
  {
    Watchers watchers;
    subscription = watchers.subscribe(1, [](const StreamEvent&) {});
  }
}

TEST(Watchers, are_not_told_after_they_have_left_another_thread) {
  Watchers watchers;
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    while (!stop) watchers.publish(1, event("a"));
  });
  for (int i = 0; i < 1000; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    const auto subscription =
        watchers.subscribe(1, [told = alive.get()](const StreamEvent&) { ++*told; });
  }
  stop = true;
  publisher.join();
}

}  // namespace
}  // namespace oa::runtime
