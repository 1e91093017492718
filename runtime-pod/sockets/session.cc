#include "runtime-pod/sockets/session.h"

#include <utility>

#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

Trigger trigger_of(const std::string& id, const SocketRow& row, std::string_view event, Time now,
                   std::string envelope_id) {
  Trigger trigger{.type = TriggerType::kSocket, .envelope = {}};
  Envelope& envelope = trigger.envelope;
  envelope.id = std::move(envelope_id);
  envelope.source = "socket";
  envelope.sender = id;
  envelope.time = now;
  envelope.payload.kind = Payload::Kind::kJson;
  envelope.payload.content_type = "application/json";
  envelope.payload.json = {{"event", event}, {"connectionId", id}, {"tags", row.tags}};
  if (!row.attachment.is_null()) envelope.payload.json["attachment"] = row.attachment;
  return trigger;
}

}  // namespace

void SocketSession::received(SocketFrame frame) {
  if (end_) return;
  bytes_ += frame.data.size();
  waiting_.push_back(std::move(frame));
}

void SocketSession::ended(SocketEnd end) {
  if (!end_) end_ = std::move(end);
}

void SocketSession::update(SocketUpdate update) {
  if (update.tags) row_.tags = std::move(*update.tags);
  if (update.attachment) row_.attachment = std::move(*update.attachment);
  is_changed_ = true;
}

void SocketSession::drop() {
  is_over_ = true;
  waiting_.clear();
  bytes_ = 0;
}

std::optional<SocketSession::Step> SocketSession::next() {
  if (is_busy_ || is_over_) return std::nullopt;
  if (is_changed_) {
    is_changed_ = false;
    is_busy_ = true;
    return SaveRow{};
  }
  if (!waiting_.empty()) {
    is_busy_ = true;
    bytes_ -= waiting_.front().data.size();
    Message message{std::move(waiting_.front()), ++messages_};
    waiting_.pop_front();
    return message;
  }
  if (!end_) return std::nullopt;
  is_busy_ = is_ending_ = true;
  return *end_;
}

void SocketSession::done() {
  is_busy_ = false;
  is_over_ = is_over_ || is_ending_;
}

bool SocketSession::is_full() const {
  return waiting_.size() >= kMaxWaitingFrames || bytes_ >= kMaxWaitingFrameBytes;
}

Trigger connect_trigger(const std::string& id, const SocketRow& row, Time now,
                        std::string traceparent) {
  Trigger trigger = trigger_of(id, row, "connect", now, id + "/connect");
  trigger.envelope.traceparent = std::move(traceparent);
  return trigger;
}

Trigger message_trigger(const std::string& id, const SocketRow& row,
                        const SocketSession::Message& message, Time now, std::string envelope_id) {
  Trigger trigger = trigger_of(id, row, "message", now, std::move(envelope_id));
  trigger.envelope.seq = message.number;
  Json& payload = trigger.envelope.payload.json;
  if (message.frame.binary) {
    payload["base64"] = crypto::base64_encode(message.frame.data);
  } else {
    payload["text"] = message.frame.data;
  }
  return trigger;
}

Trigger disconnect_trigger(const std::string& id, const SocketRow& row, const SocketEnd& end,
                           Time now) {
  Trigger trigger = trigger_of(id, row, "disconnect", now, id + "/disconnect");
  trigger.envelope.payload.json["code"] = end.code;
  trigger.envelope.payload.json["reason"] = end.reason;
  return trigger;
}

ItemWrite socket_item(const std::string& id, const SocketRow& row) {
  return {.kind = ItemKind::kSocket,
          .key = id,
          .value = encode(row),
          .number = 0,
          .due = Due{Due::Class::kWork, row.opened}};
}

ItemWrite socket_removal(const std::string& id) { return {.kind = ItemKind::kSocket, .key = id}; }

std::optional<SocketFrame> reply_frame(Reply reply) {
  if (reply.is_raw) return SocketFrame{std::move(reply.body), true};
  if (reply.body.empty() || reply.body == "null") return std::nullopt;
  if (reply.body.front() != '"') return SocketFrame{std::move(reply.body), false};
  const Json text = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  if (!text.is_string()) return std::nullopt;
  return SocketFrame{text.get<std::string>(), false};
}

}  // namespace oa::runtime
