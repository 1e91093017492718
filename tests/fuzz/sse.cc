// Streams of server-sent events: the same events come of them however they are cut, and an event
// that is written is read as the same.
#include "libs/net/sse.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

constexpr std::size_t kEventBytes = 512;  // low, so that inputs reach it

struct Read {
  net::SseParser parser{kEventBytes};
  std::vector<net::SseEvent> events;
  bool failed = false;

  void take(std::string_view bytes) {
    if (!failed) failed = !parser.feed(bytes, events);
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  Read whole;
  whole.take(bytes);
  Read cut;
  fuzz::in_pieces(bytes, [&](std::string_view piece) { cut.take(piece); });
  fuzz::require(whole.events == cut.events && whole.failed == cut.failed,
                "read the same events from packets of any size");
  if (!whole.failed) {
    fuzz::require(whole.parser.last_event_id() == cut.parser.last_event_id() &&
                      whole.parser.retry() == cut.parser.retry(),
                  "go on in the same way after packets of any size");
  }
  for (const net::SseEvent& event : whole.events) {
    if (event.event.find('\0') != std::string::npos) continue;  // it would be written as a space
    net::SseParser again(4 * kEventBytes + 64);
    std::vector<net::SseEvent> events;
    fuzz::require(
        again.feed(net::format_sse(event), events).ok() && events.size() == 1 && events[0] == event,
        "read the events that it writes");
  }
  return 0;
}
