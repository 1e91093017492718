#include "runtime-pod/agent/feed_cursor.h"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

LogRecord tick(std::int64_t id) {
  return {id, LogKind::kTick, id, id, Time{}, R"({"tickId":"t","attempt":1})", {}};
}

LogRecord noted(std::int64_t id) {
  return {id, LogKind::kEvent, id - 1, 0, Time{}, R"([{"event":"log","text":"x"}])", {}};
}

StreamEvent durable(EventId id) { return {id, "tick_end", "{}", false}; }
StreamEvent speculative(std::int64_t row) { return {{row, 0}, "delta", "{}", true}; }

std::string shown(const std::vector<StreamEvent>& events) {
  std::string text;
  for (const StreamEvent& event : events) {
    text += (event.speculative ? "~" : "") + to_string(event.id) + " ";
  }
  return text;
}

TEST(FeedCursor, shows_what_happens_from_now_on) {
  FeedCursor cursor = FeedCursor::behind_record(41);
  EXPECT_FALSE(cursor.is_behind());
  cursor.happened(durable({41, 3}));  // of a commit before now, published late
  cursor.happened(speculative(41));
  cursor.happened(durable({42, 0}));
  cursor.happened(durable({42, 1}));
  EXPECT_EQ(shown(cursor.take()), "~41-0 42-0 42-1 ");
  EXPECT_EQ(shown(cursor.take()), "");
}

TEST(FeedCursor, shows_the_log_first_and_nothing_of_it_again) {
  FeedCursor cursor = FeedCursor::behind_event({10, 0}, 20);
  ASSERT_TRUE(cursor.is_behind());
  cursor.happened(durable({20, 0}));
  cursor.happened(durable({20, 1}));
  EXPECT_EQ(cursor.begin_read(), 8);
  cursor.happened(speculative(20));
  cursor.happened(durable({30, 0}));
  EXPECT_EQ(shown(cursor.take()), "");
  const auto read = cursor.end_read({.records = {tick(10), tick(20)}});
  EXPECT_FALSE(read.gap);
  EXPECT_EQ(shown(read.events), "10-1 20-0 20-1 ");
  EXPECT_FALSE(cursor.is_behind());
  EXPECT_EQ(shown(cursor.take()), "~20-0 30-0 ");
}

TEST(FeedCursor, a_tick_whose_notes_are_on_the_next_page_is_shown_with_them) {
  FeedCursor cursor = FeedCursor::at_start();
  EXPECT_EQ(cursor.begin_read(), 0);
  EXPECT_EQ(shown(cursor.end_read({.records = {tick(3), tick(5)}, .more = true}).events),
            "3-0 3-1 ");
  EXPECT_TRUE(cursor.is_behind());
  EXPECT_EQ(cursor.begin_read(), 1);
  EXPECT_EQ(shown(cursor.end_read({.records = {tick(3), tick(5), noted(6)}}).events),
            "5-0 6-0 6-1 ");
  EXPECT_FALSE(cursor.is_behind());
}

TEST(FeedCursor, says_what_is_gone_only_if_it_was_not_shown) {
  FeedCursor cursor = FeedCursor::behind_event({10, 1}, 20);
  cursor.begin_read();
  EXPECT_FALSE(cursor.end_read({.records = {tick(10), tick(20)}, .oldest = 10}).gap);

  FeedCursor late = FeedCursor::behind_event({10, 1}, 50);
  late.begin_read();
  EXPECT_EQ(late.end_read({.records = {tick(40)}, .oldest = 40}).gap, (EventId{40, 0}));
}

TEST(FeedCursor, an_event_from_nowhere_is_answered_with_all_and_a_gap) {
  FeedCursor cursor = FeedCursor::behind_event({1000, 0}, 20);
  EXPECT_EQ(cursor.begin_read(), 0);
  const auto read = cursor.end_read({.records = {tick(20)}});
  EXPECT_EQ(read.gap, (EventId{20, 0}));
  EXPECT_EQ(shown(read.events), "20-0 20-1 ");
}

TEST(FeedCursor, who_is_too_slow_is_sent_back_to_the_log) {
  FeedCursor cursor = FeedCursor::behind_record(0);
  for (std::int64_t id = 1; id <= 1001; ++id) cursor.happened(durable({id, 0}));
  ASSERT_TRUE(cursor.is_behind());
  EXPECT_EQ(shown(cursor.take()), "");
  EXPECT_EQ(cursor.begin_read(), 0);
  EXPECT_EQ(shown(cursor.end_read({.records = {tick(1)}, .more = true}).events), "1-0 1-1 ");
  EXPECT_TRUE(cursor.is_behind());

  FeedCursor fat = FeedCursor::behind_record(0);
  fat.happened({{1, 0}, "delta", std::string(kMaxWaitingEventBytes + 1, 'x'), true});
  EXPECT_TRUE(fat.is_behind());
}

// Commits, publishing, reading and taking in any order that can be: every event is shown once.
TEST(FeedCursor, nothing_is_lost_or_doubled_whatever_comes_between) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::vector<LogRecord> log;
    std::size_t published = 0;  // records of the log that were
    FeedCursor cursor = FeedCursor::at_start();
    bool is_reading = false;
    Feed feed;
    std::vector<EventId> got;
    const auto keep = [&got](const std::vector<StreamEvent>& events) {
      for (const StreamEvent& event : events) got.push_back(event.id);
    };
    const auto commit = [&] {
      const std::int64_t id = (log.empty() ? 0 : log.back().id) + 1 + random() % 3;
      log.push_back(tick(id));
      log.back().tick = id;
      if (random() % 2 == 0) log.push_back(noted(id + 1));
    };
    const auto publish = [&] {
      if (published == log.size()) return;
      std::size_t end = published + 1;
      if (end < log.size() && log[end].kind == LogKind::kEvent) ++end;
      for (const StreamEvent& event :
           events_of(std::span(log).subspan(published, end - published))) {
        cursor.happened(event);
      }
      published = end;
    };
    const auto read = [&](std::size_t limit) {
      const std::int64_t after = cursor.begin_read();
      feed = {};
      for (const LogRecord& record : log) {
        if (record.id <= after) continue;
        feed.more = feed.records.size() == limit;
        if (feed.more) break;
        feed.records.push_back(record);
      }
      is_reading = true;
    };
    const auto end_read = [&] {
      is_reading = false;
      keep(cursor.end_read(feed).events);
    };
    for (int step = 0; step < 400; ++step) {
      switch (random() % 5) {
        case 0:
          commit();
          break;
        case 1:
          publish();
          break;
        case 2:
          if (random() % 50 == 0) {
            for (std::size_t i = 0; i < kMaxWaitingEvents; ++i) cursor.happened(speculative(0));
          }
          break;
        case 3:
          if (is_reading) {
            end_read();
          } else if (cursor.is_behind()) {
            read(5 + random() % 10);
          }
          break;
        default:
          for (const StreamEvent& event : cursor.take()) {
            if (!event.speculative) got.push_back(event.id);
          }
      }
    }
    while (published < log.size()) publish();
    if (is_reading) end_read();
    while (cursor.is_behind()) {
      read(8);
      end_read();
    }
    for (const StreamEvent& event : cursor.take()) {
      if (!event.speculative) got.push_back(event.id);
    }
    std::vector<EventId> all;
    for (const StreamEvent& event : events_of(log)) all.push_back(event.id);
    ASSERT_EQ(got, all) << "round " << round;
  }
}

}  // namespace
}  // namespace oa::runtime
