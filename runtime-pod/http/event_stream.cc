#include "runtime-pod/http/event_stream.h"

#include <utility>

namespace oa::runtime {

// Tells the stream if its answer is dropped before its body was asked for.
struct EventStream::Unopened {
  const std::shared_ptr<EventStream> stream;

  ~Unopened() {
    {
      const std::lock_guard lock(stream->mutex_);
      if (stream->is_attached_) return;
    }
    stream->gone();
  }
};

std::shared_ptr<EventStream> EventStream::open(const CallPtr& call) {
  auto stream = std::make_shared<EventStream>(call->services.scheduler, call->services.clock);
  const std::shared_ptr<Unopened> unopened(new Unopened{stream});
  net::Response response;
  response.headers.add("Content-Type", "text/event-stream");
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Accel-Buffering", "no");
  response.stream = [unopened](std::shared_ptr<net::BodyWriter> writer) {
    unopened->stream->attach(std::move(writer));
  };
  call->answer(std::move(response));
  stream->arm_heartbeat();
  return stream;
}

void EventStream::attach(std::shared_ptr<net::BodyWriter> writer) {
  std::function<void()> drained;
  std::function<void()> draining;
  {
    const std::lock_guard lock(mutex_);
    is_attached_ = true;
    if (!early_.empty()) writer->write(std::exchange(early_, {}));
    if (is_over_) return writer->end();
    writer_ = writer;
    drained.swap(drained_);
    draining.swap(draining_);
  }
  writer->on_closed([self = shared_from_this()] { self->gone(); });
  if (drained) writer->on_drained(std::move(drained));
  if (draining) writer->on_draining(std::move(draining));
}

void EventStream::gone() {
  std::shared_ptr<net::BodyWriter> writer;  // goes last, and without the lock
  std::function<void()> closed;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    writer.swap(writer_);
    closed.swap(closed_);
    drained_ = draining_ = nullptr;
  }
  if (closed) closed();
}

bool EventStream::send(const net::SseEvent& event) { return write(net::format_sse(event)); }

bool EventStream::send_text(std::string events) { return write(std::move(events)); }

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
  std::function<void()> dropped[3];  // their destructors may call back
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    dropped[0].swap(closed_);
    dropped[1].swap(drained_);
    dropped[2].swap(draining_);
    writer = std::move(writer_);
  }
  if (writer) writer->end();
}

void EventStream::on_closed(std::function<void()> closed) {
  const std::lock_guard lock(mutex_);
  if (!is_over_) closed_ = std::move(closed);
}

void EventStream::on_drained(std::function<void()> drained) {
  std::shared_ptr<net::BodyWriter> writer;
  {
    const std::lock_guard lock(mutex_);
    if (is_over_) return;
    writer = writer_;
    if (!writer) drained_ = drained;
  }
  if (writer) writer->on_drained(std::move(drained));
}

void EventStream::on_draining(std::function<void()> draining) {
  std::shared_ptr<net::BodyWriter> writer;
  {
    const std::lock_guard lock(mutex_);
    if (is_over_) return;
    writer = writer_;
    if (!writer) draining_ = draining;
  }
  if (writer) writer->on_draining(std::move(draining));
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
