#include "runtime-pod/agent/feed_cursor.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

namespace oa::runtime {
namespace {

constexpr std::int64_t kLastIndex = std::numeric_limits<std::int64_t>::max();

}  // namespace

FeedCursor FeedCursor::behind_record(std::int64_t newest) {
  return FeedCursor({newest, kLastIndex}, false);
}

FeedCursor FeedCursor::behind_event(const EventId& event, std::int64_t newest) {
  if (event.row <= newest) return FeedCursor(event, true);
  FeedCursor cursor = at_start();
  cursor.is_lost_ = true;
  return cursor;
}

void FeedCursor::happened(const StreamEvent& event) {
  if (!event.speculative && event.id <= seen_) return;
  if (has_dropped_) return;
  if (waiting_.size() == kMaxWaitingEvents || bytes_ + event.data.size() > kMaxWaitingEventBytes) {
    waiting_.clear();
    bytes_ = 0;
    seen_ = shown_;
    is_behind_ = has_dropped_ = true;
    return;
  }
  waiting_.push_back(event);
  bytes_ += event.data.size();
  if (!event.speculative) seen_ = event.id;
}

std::int64_t FeedCursor::begin_read() {
  has_dropped_ = false;
  return record_before(shown_);
}

FeedCursor::Shown FeedCursor::end_read(const Feed& feed) {
  Shown shown;
  if (feed.oldest && *feed.oldest > shown_.row) shown.gap = EventId{*feed.oldest, 0};
  std::span<const LogRecord> records(feed.records);
  if (is_lost_ && !shown.gap && !records.empty()) shown.gap = EventId{records.front().id, 0};
  is_lost_ = false;
  // A tick's end is shown with what the tick noted, which may be on the next page.
  if (feed.more && records.size() > 1 && records.back().kind == LogKind::kTick) {
    records = records.first(records.size() - 1);
  }
  for (StreamEvent& event : events_of(records)) {
    if (event.id <= shown_) continue;
    shown_ = event.id;
    shown.events.push_back(std::move(event));
  }
  // With what was read goes what was speculated before it.
  const auto last =
      std::find_if(waiting_.rbegin(), waiting_.rend(),
                   [this](const StreamEvent& one) { return !one.speculative && one.id <= shown_; });
  for (auto gone = waiting_.begin(); gone != last.base(); ++gone) bytes_ -= gone->data.size();
  waiting_.erase(waiting_.begin(), last.base());
  seen_ = std::max(seen_, shown_);
  is_behind_ = feed.more || has_dropped_;
  return shown;
}

std::vector<StreamEvent> FeedCursor::take() {
  if (is_behind_) return {};
  std::vector<StreamEvent> events(std::make_move_iterator(waiting_.begin()),
                                  std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  bytes_ = 0;
  shown_ = std::max(shown_, seen_);
  return events;
}

}  // namespace oa::runtime
