// How far one who watches an agent has come: what of the log is still to be read, and what has
// happened since and waits to be shown.
//
// Events with ids are shown in order, each once: those of the log first, then those that happen,
// without what the log had already. Who takes too long to show what happens is sent back to the
// log, so that what waits is bounded; speculative events are lost by that, as they may be.
//
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "runtime-pod/agent/feed.h"
#include "runtime-pod/storage/reader.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxWaitingEvents = 1000;
inline constexpr std::size_t kMaxWaitingEventBytes = 1024 * 1024;

class FeedCursor {
 public:
  // What follows the newest record of the log.
  static FeedCursor behind_record(std::int64_t newest);
  // What follows this event. Of an event that is newer than the newest record nobody knows what
  // follows: all that there is, and that something may be missing.
  static FeedCursor behind_event(const EventId& event, std::int64_t newest);
  // All that there is.
  static FeedCursor at_start() { return FeedCursor({}, true); }

  // Something was published.
  void happened(const StreamEvent& event);

  // Whether the log is to be read before anything can be taken.
  bool is_behind() const { return is_behind_; }
  // The record behind which it is to be read. Everything that `happened` by now must be visible to
  // whoever reads.
  std::int64_t begin_read();

  struct Shown {
    std::optional<EventId> gap;  // what was before this is gone, and some of it was not shown
    std::vector<StreamEvent> events;
  };
  // What was read, as far as it was not shown.
  Shown end_read(const Feed& feed);
  // What has happened since. Nothing while there is something to be read.
  std::vector<StreamEvent> take();

 private:
  FeedCursor(EventId shown, bool is_behind) : shown_(shown), seen_(shown), is_behind_(is_behind) {}

  EventId shown_;  // the last one that was given away
  EventId seen_;   // the last one that was given away or waits
  bool is_behind_;
  bool is_lost_ = false;      // where it begins is unknown
  bool has_dropped_ = false;  // something that happened since the last `begin_read`
  std::deque<StreamEvent> waiting_;
  std::size_t bytes_ = 0;  // of waiting_
};

}  // namespace oa::runtime
