// What those who watch an agent are shown: the events of its log, which have ids and can be asked
// for again, and speculative ones between them (a model's text as it comes), which have none.
//
// One tick leaves one or two records in the log: its record, and right behind it what it noted.
// They are shown as tick_start, the noted events, tick_end.
//
// Thread-safety: `Watchers` can be used from any thread; the rest are values and pure functions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// "1042-3": the third event after the first of record 1042. They rise in the order in which the
// events of an agent are shown.
struct EventId {
  std::int64_t row = 0;
  std::int64_t index = 0;

  auto operator<=>(const EventId&) const = default;
};
std::string to_string(const EventId& id);
// INVALID_REQUEST for anything that `to_string` never makes.
Result<EventId> parse_event_id(std::string_view text);

struct StreamEvent {
  EventId id;  // of a speculative one: of the last event before it
  std::string name;
  std::string data;  // JSON, on one line
  bool speculative = false;
};

// The events of consecutive records of one agent's log. Records that cannot be read show as an
// event `unreadable`.
std::vector<StreamEvent> events_of(std::span<const LogRecord> records);

// To go on after an event: the records behind this one (Reader::read_feed) have all that follows
// it, and maybe some that do not, which have lower ids.
std::int64_t record_before(const EventId& id);

// Who watches which agent.
class Watchers {
 public:
  // On the publisher's thread, in order if events of an agent are published in order. Must not
  // block or throw.
  using Watcher = std::function<void(const StreamEvent&)>;

  // Ends with its destruction: the watcher is not called afterwards. That may be within the
  // watcher, and after the `Watchers` are gone.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept = default;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription();

   private:
    friend class Watchers;
    struct Entry;
    std::shared_ptr<Entry> entry_;  // null: of nothing
  };

  Watchers();
  Subscription subscribe(AgentKey agent, Watcher watcher);

  // Costs one look at a number when nobody watches anything.
  bool any(AgentKey agent) const;
  void publish(AgentKey agent, const StreamEvent& event) const;

 private:
  struct Table;
  std::shared_ptr<Table> table_;
};

}  // namespace oa::runtime
