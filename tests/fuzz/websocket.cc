// The frames of a WebSocket's client: the same messages come of them however they are cut.
#include "libs/net/websocket.h"

#include <vector>

#include "libs/net/websocket_frames_impl.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

constexpr std::size_t kMessageBytes = 256;  // low, so that inputs reach it

struct Read {
  net::FrameReader reader{kMessageBytes};
  std::vector<net::FrameEvent> events;

  void take(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!events.empty() && events.back().kind == net::FrameEvent::Kind::kFailure) return;
      auto event = reader.next(bytes);
      if (event) {
        check(*event);
        events.push_back(std::move(*event));
      } else {
        fuzz::require(bytes.empty(), "take all bytes of a frame that is not complete");
      }
    }
  }

  static void check(const net::FrameEvent& event) {
    using Kind = net::FrameEvent::Kind;
    fuzz::require(event.data.size() <= kMessageBytes, "keep to the limit of messages");
    if (event.kind == Kind::kText || event.kind == Kind::kClose) {
      fuzz::require(is_utf8(event.data), "refuse text that is not UTF-8");
    }
    if (event.kind == Kind::kClose && event.code != net::close_code::kNoCode) {
      fuzz::require(net::is_close_code(event.code), "refuse codes that may not be sent");
    }
  }
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  Read whole;
  whole.take(bytes);
  Read cut;
  fuzz::in_pieces(bytes, [&](std::string_view piece) { cut.take(piece); });
  const auto is_same = [](const net::FrameEvent& a, const net::FrameEvent& b) {
    return a.kind == b.kind && a.data == b.data && a.code == b.code;
  };
  fuzz::require(std::equal(whole.events.begin(), whole.events.end(), cut.events.begin(),
                           cut.events.end(), is_same),
                "read the same frames from packets of any size");
  return 0;
}
