// Server-sent events, the text of `text/event-stream` (WHATWG HTML section 9.2): writing one, and
// reading a stream of them as its bytes arrive.
//
// Thread-safety: plain values, pure functions; SseParser is used by one thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace oa::net {

struct SseEvent {
  std::string id;  // of a parsed event: the last id that the stream named, be it at this event or
                   // before; of a written one: none if empty
  std::string event;  // empty is "message"
  std::string data;   // lines end with LF

  bool operator==(const SseEvent&) const = default;
};

// One event as text. Any line end in the data begins a new line of it; in an id or event type it
// becomes a space, as does NUL in an id.
std::string format_sse(const SseEvent& event);
// A comment, which clients ignore: for heartbeats.
std::string format_sse_comment(std::string_view text = {});
// How long a client shall wait before it connects again.
std::string format_sse_retry(std::chrono::milliseconds wait);

class SseParser {
 public:
  // `event_bytes` is the most that one event may have, with its field names and comments.
  explicit SseParser(std::size_t event_bytes) : event_bytes_(event_bytes) {}

  // Appends the events that `bytes` complete, however the stream is cut into pieces. Fails with
  // INVALID_REQUEST, reason PayloadTooLarge, on an event over the limit; the stream cannot be read
  // on.
  Result<void> feed(std::string_view bytes, std::vector<SseEvent>& events);

  // What Last-Event-ID shall say on the next connection.
  const std::string& last_event_id() const { return last_event_id_; }
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  void take_line(std::vector<SseEvent>& events);
  void take_field(std::string_view name, std::string_view value);

  const std::size_t event_bytes_;
  std::size_t size_ = 0;  // of the event so far, without the line that is being read
  std::string line_;
  bool after_cr_ = false;  // a LF that follows belongs to the same line end
  bool first_line_ = true;
  bool has_data_ = false;
  std::string event_;
  std::string data_;
  std::string last_event_id_;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace oa::net
