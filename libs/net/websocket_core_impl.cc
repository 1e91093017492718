#include "libs/net/websocket_core_impl.h"

#include <utility>

namespace oa::net {
namespace {

// What a message costs beyond its bytes, so that empty ones are bounded too.
constexpr std::size_t kPerMessage = 64;

class Socket final : public WebSocket {
 public:
  explicit Socket(std::shared_ptr<WebSocketCore> core) : core_(std::move(core)) {}
  ~Socket() override { core_->abandon(); }

  bool send(std::string data, bool binary) override { return core_->send(data, binary); }
  void close(std::uint16_t code, std::string reason) override { core_->close(code, reason); }
  std::size_t buffered() const override { return core_->buffered(); }
  void on_message(WebSocketCore::OnMessage message) override {
    core_->on_message(std::move(message));
  }
  void on_closed(WebSocketCore::OnClosed closed) override { core_->on_closed(std::move(closed)); }
  void pause_reading(bool paused) override { core_->pause_reading(paused); }

 private:
  const std::shared_ptr<WebSocketCore> core_;
};

}  // namespace

std::shared_ptr<WebSocket> make_websocket(std::shared_ptr<WebSocketCore> core) {
  return std::make_shared<Socket>(std::move(core));
}

bool WebSocketCore::notify() {
  if (notified_) return true;
  notified_ = mailbox_->post([target = target_, self = shared_from_this()] {
    if (const auto open = target.lock()) {
      open->on_output();
    } else {
      self->look();
      self->deliver();
    }
  });
  return notified_;
}

bool WebSocketCore::put(Opcode opcode, std::string_view payload) {
  if (close_sent_ || over_) return false;
  const std::size_t before = waiting_.size() + taken_;
  if (before > 0 && before + payload.size() > buffer_bytes_) {
    waiting_.clear();
    begin_close(close_code::kPolicy, "the client reads too slowly");
    return false;
  }
  append_frame(waiting_, opcode, payload);
  notify();
  return true;
}

void WebSocketCore::begin_close(std::uint16_t code, std::string_view reason) {
  if (close_sent_ || over_) return;
  close_sent_ = true;
  append_close_frame(waiting_, code, reason);
  if (!closed_) closed_ = Closed{code, std::string(reason)};
  notify();
}

bool WebSocketCore::send(std::string_view data, bool binary) {
  std::lock_guard lock(mutex_);
  return put(binary ? Opcode::kBinary : Opcode::kText, data);
}

void WebSocketCore::close(std::uint16_t code, std::string_view reason) {
  std::lock_guard lock(mutex_);
  begin_close(is_close_code(code) ? code : close_code::kInternal, reason);
}

std::size_t WebSocketCore::buffered() const {
  std::lock_guard lock(mutex_);
  return waiting_.size() + taken_;
}

void WebSocketCore::on_message(OnMessage message) {
  auto callback = std::make_shared<OnMessage>(std::move(message));
  std::lock_guard lock(mutex_);
  if (over_ && held_.empty()) return;
  on_message_.swap(callback);
  notify();
}

void WebSocketCore::on_closed(OnClosed closed) {
  {
    std::lock_guard lock(mutex_);
    on_closed_.swap(closed);
    if (!over_ || notify()) return;
  }
  deliver();
}

void WebSocketCore::pause_reading(bool paused) {
  std::lock_guard lock(mutex_);
  if (std::exchange(paused_, paused) && !paused) notify();
}

void WebSocketCore::abandon() {
  std::lock_guard lock(mutex_);
  paused_ = false;
  begin_close(close_code::kInternal, "");
  notify();
}

WebSocketCore::Status WebSocketCore::look() {
  std::lock_guard lock(mutex_);
  notified_ = false;
  return {waiting_.size() + taken_ > 0, held_bytes_ < message_bytes_ + kPerMessage, close_sent_,
          close_received_, failed_};
}

void WebSocketCore::take(std::string& out) {
  std::lock_guard lock(mutex_);
  out.swap(waiting_);
  taken_ += out.size();
}

void WebSocketCore::on_sent(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  taken_ -= bytes;
}

void WebSocketCore::ping() {
  std::lock_guard lock(mutex_);
  put(Opcode::kPing, {});
}

void WebSocketCore::receive(FrameEvent event) {
  std::lock_guard lock(mutex_);
  switch (event.kind) {
    case FrameEvent::Kind::kText:
    case FrameEvent::Kind::kBinary:
      if (close_sent_) return;
      held_bytes_ += event.data.size() + kPerMessage;
      held_.push_back({std::move(event.data), event.kind == FrameEvent::Kind::kBinary});
      return;
    case FrameEvent::Kind::kPing:
      put(Opcode::kPong, event.data);
      return;
    case FrameEvent::Kind::kPong:
      return;
    case FrameEvent::Kind::kClose:
      close_received_ = true;
      if (!closed_) closed_ = Closed{event.code, event.data};
      begin_close(event.code, event.data);
      return;
    case FrameEvent::Kind::kFailure:
      failed_ = true;
      begin_close(event.code, event.data);
      return;
  }
}

void WebSocketCore::deliver() {
  std::unique_lock lock(mutex_);
  while (!held_.empty() && !paused_ && on_message_) {
    const std::shared_ptr<OnMessage> callback = on_message_;
    Message message = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= message.data.size() + kPerMessage;
    lock.unlock();
    (*callback)(std::move(message.data), message.binary);
    lock.lock();
  }
  if (!over_ || !held_.empty()) return;
  const std::shared_ptr<OnMessage> dropped = std::move(on_message_);
  const OnClosed closed = std::exchange(on_closed_, nullptr);
  const Closed how = *closed_;
  lock.unlock();
  if (closed) closed(how.code, how.reason);
}

void WebSocketCore::finish(bool server_ends) {
  {
    std::lock_guard lock(mutex_);
    over_ = true;
    std::string().swap(waiting_);
    taken_ = 0;
    if (!closed_) closed_ = Closed{close_code::kAbnormal, ""};
    if (server_ends) {
      held_.clear();
      held_bytes_ = 0;
    }
  }
  deliver();
}

}  // namespace oa::net
