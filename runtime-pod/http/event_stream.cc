#include "runtime-pod/http/event_stream.h"

#include <utility>

namespace oa::runtime {

std::shared_ptr<EventStream> EventStream::open(const CallPtr& call) {
  auto stream = std::make_shared<EventStream>(call->services.scheduler, call->services.clock);
  net::Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Accel-Buffering", "no");
  response.stream = [stream](std::shared_ptr<net::BodyWriter> writer) {
    stream->attach(std::move(writer));
  };
  call->answer(std::move(response));
  stream->arm_heartbeat();
  return stream;
}

void EventStream::attach(std::shared_ptr<net::BodyWriter> writer) {
  writer->on_closed([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    std::function<void()> closed;
    {
      const std::lock_guard lock(self->mutex_);
      self->is_over_ = true;
      self->writer_.reset();
      closed.swap(self->closed_);
    }
    if (closed) closed();
  });
  const std::lock_guard lock(mutex_);
  if (!early_.empty()) writer->write(std::exchange(early_, {}));
  if (is_over_) return writer->end();
  writer_ = std::move(writer);
}

bool EventStream::send(const net::SseEvent& event) { return write(net::format_sse(event)); }

// Under the lock, so that what is sent from two threads stays in one order with what came early.
bool EventStream::write(std::string text) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return false;
  if (writer_) return writer_->write(std::move(text));
  early_ += text;
  return true;
}

void EventStream::end() {
  std::shared_ptr<net::BodyWriter> writer;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    closed_ = nullptr;
    writer = std::move(writer_);
  }
  if (writer) writer->end();
}

void EventStream::on_closed(std::function<void()> closed) {
  const std::lock_guard lock(mutex_);
  if (!is_over_) closed_ = std::move(closed);
}

void EventStream::arm_heartbeat() {
  scheduler_.at(clock_.monotonic() + kHeartbeat, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->beat();
  });
}

void EventStream::beat() {
  if (write(net::format_sse_comment())) arm_heartbeat();
}

}  // namespace oa::runtime
