// One WebSocket of an agent, as the agent sees it: a connection id with tags and an attachment, and
// the triggers that it causes, one after the other: connect, messages, disconnect.
//
// Thread-safety: none; the rest are pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "core/clock.h"
#include "core/envelope.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// What may wait for its turn; the client is not read from meanwhile.
inline constexpr std::size_t kMaxWaitingFrames = 16;
inline constexpr std::size_t kMaxWaitingFrameBytes = 256 * 1024;

struct SocketFrame {
  std::string data;
  bool binary = false;
};

// How a connection ended: codes of RFC 6455 section 7.4.1.
struct SocketEnd {
  int code = 1006;
  std::string reason{};
};

class SocketSession {
 public:
  SocketSession(std::string id, Time opened) : id_(std::move(id)) { row_.opened = opened; }

  // Came from the client.
  void received(SocketFrame frame);
  // Nothing comes from the client any more.
  void ended(SocketEnd end);
  // Came from the agent.
  void update(SocketUpdate update);
  // There is nobody to be told of anything.
  void drop();

  struct Message {
    SocketFrame frame;
    std::int64_t number;  // counted from 1
  };
  struct SaveRow {};
  // What is to be done next, one at a time, in the order in which it came; the row first, so that
  // it is on disk before what follows is shown to the agent. Nothing: nothing is to be done, or
  // `done` is still to come.
  using Step = std::variant<Message, SaveRow, SocketEnd>;
  std::optional<Step> next();
  void done();

  // Whether enough waits, and whether it is few enough again.
  bool is_full() const;
  bool is_low() const { return waiting_.size() <= kMaxWaitingFrames / 2 && !is_full(); }
  // Its end has been dealt with, or it was dropped: nothing follows.
  bool is_over() const { return is_over_; }

  const std::string& id() const { return id_; }
  const SocketRow& row() const { return row_; }

 private:
  const std::string id_;
  SocketRow row_;
  std::deque<SocketFrame> waiting_;
  std::size_t bytes_ = 0;      // of waiting_
  std::int64_t messages_ = 0;  // that were given away
  std::optional<SocketEnd> end_;
  bool is_changed_ = false;  // the row
  bool is_busy_ = false;     // a step is under way
  bool is_ending_ = false;   // it is the last one
  bool is_over_ = false;
};

// The triggers (wire.md, Sockets). A connection's are in one lane: the source "socket", and its id
// as the sender. That of its end has the same id whoever tells it.
Trigger connect_trigger(const std::string& id, const SocketRow& row, Time now,
                        std::string traceparent);
Trigger message_trigger(const std::string& id, const SocketRow& row,
                        const SocketSession::Message& message, Time now, std::string envelope_id);
Trigger disconnect_trigger(const std::string& id, const SocketRow& row, const SocketEnd& end,
                           Time now);

// The row of a connection, due at once: whoever then finds no connection for it tells the agent
// that it has ended. That is so after a restart.
ItemWrite socket_item(const std::string& id, const SocketRow& row);
ItemWrite socket_removal(const std::string& id);

// What a reply is on the wire: text as it is, other JSON as its text, bytes in a binary frame,
// null nothing.
std::optional<SocketFrame> reply_frame(Reply reply);

}  // namespace oa::runtime
