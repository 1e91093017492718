// The state of a WebSocket that the threads which use it share with its connection: what waits to
// be sent, what came and waits to be taken, and how it ended.
//
// Thread-safety: the first part of WebSocketCore can be used from any thread, the second by the
// connection on its I/O thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libs/net/stream_impl.h"
#include "libs/net/websocket.h"
#include "libs/net/websocket_frames_impl.h"

namespace oa::net {

class WebSocketCore : public std::enable_shared_from_this<WebSocketCore> {
 public:
  using OnMessage = std::function<void(std::string, bool)>;
  using OnClosed = std::function<void(std::uint16_t, std::string)>;

  WebSocketCore(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<OutputTarget> target,
                const ServerLimits& limits)
      : mailbox_(std::move(mailbox)),
        target_(std::move(target)),
        buffer_bytes_(limits.stream_buffer_bytes),
        message_bytes_(limits.websocket_message_bytes) {}

  // What WebSocket says.
  bool send(std::string_view data, bool binary);
  void close(std::uint16_t code, std::string_view reason);
  std::size_t buffered() const;
  void on_message(OnMessage message);
  void on_closed(OnClosed closed);
  void pause_reading(bool paused);
  // Nobody holds the socket any more.
  void abandon();

  // For the connection.

  // How things stand; what happens after this call is notified.
  struct Status {
    bool has_output = false;      // including what was taken and not sent
    bool takes_input = false;     // false: so much waits to be taken that no more shall be read
    bool close_sent = false;      // or waits to be
    bool close_received = false;  // no more input will count
    bool failed = false;          // likewise, and the client will not answer the close frame
  };
  Status look();
  // What waits to be sent, into `out`, which must be empty.
  void take(std::string& out);
  void on_sent(std::size_t bytes);
  void ping();
  void receive(FrameEvent event);
  // Gives what waits to the callbacks, as far as they are there and not paused.
  void deliver();
  // The connection has ended. `server_ends`: so do the threads that could deliver later.
  void finish(bool server_ends);

 private:
  struct Message {
    std::string data;
    bool binary = false;
  };
  struct Closed {
    std::uint16_t code = 0;
    std::string reason;
  };

  // With mutex_ held.
  bool notify();  // false: the server has gone
  bool put(Opcode opcode, std::string_view payload);
  void begin_close(std::uint16_t code, std::string_view reason);

  const std::shared_ptr<Mailbox> mailbox_;
  const std::weak_ptr<OutputTarget> target_;
  const std::size_t buffer_bytes_;
  const std::size_t message_bytes_;

  mutable std::mutex mutex_;  // guards all below; not held while a callback runs
  bool notified_ = false;     // a notification is on its way
  std::string waiting_;       // frames
  std::size_t taken_ = 0;     // bytes that were taken and that the kernel does not have yet
  bool close_sent_ = false;
  bool close_received_ = false;
  bool failed_ = false;
  bool over_ = false;             // the connection has ended
  std::optional<Closed> closed_;  // the first close frame, or 1006
  bool paused_ = false;
  std::deque<Message> held_;
  std::size_t held_bytes_ = 0;
  std::shared_ptr<OnMessage> on_message_;
  OnClosed on_closed_;
};

// What a handler holds of `core`.
std::shared_ptr<WebSocket> make_websocket(std::shared_ptr<WebSocketCore> core);

}  // namespace oa::net
