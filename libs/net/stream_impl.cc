#include "libs/net/stream_impl.h"

#include <charconv>
#include <string_view>
#include <utility>

namespace oa::net {
namespace {

constexpr std::string_view kLastChunk = "0\r\n\r\n";

void append_chunk(std::string& out, std::string_view bytes) {
  char size[20];
  const auto end = std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr;
  out.append(size, end).append("\r\n").append(bytes).append("\r\n");
}

class Writer final : public BodyWriter {
 public:
  explicit Writer(std::shared_ptr<BodyStream> stream) : stream_(std::move(stream)) {}
  ~Writer() override { stream_->abandon(); }

  bool write(std::string chunk) override { return stream_->write(chunk); }
  void end() override { stream_->end(); }
  std::size_t buffered() const override { return stream_->buffered(); }
  void on_closed(std::function<void()> closed) override { stream_->on_closed(std::move(closed)); }
  void on_drained(std::function<void()> drained) override {
    stream_->on_drained(std::move(drained));
  }
  void on_draining(std::function<void()> draining) override {
    stream_->on_draining(std::move(draining));
  }

 private:
  const std::shared_ptr<BodyStream> stream_;
};

}  // namespace

std::shared_ptr<BodyWriter> make_writer(std::shared_ptr<BodyStream> stream) {
  return std::make_shared<Writer>(std::move(stream));
}

void BodyStream::notify() {
  if (std::exchange(notified_, true)) return;
  mailbox_->post([target = target_] {
    if (const auto open = target.lock()) open->on_output();
  });
}

bool BodyStream::write(std::string_view chunk) {
  std::lock_guard lock(mutex_);
  if (state_ != State::kOpen || closed_) return false;
  if (chunk.empty()) return true;  // as a chunk it would be the last one
  const std::size_t before = waiting_.size() + taken_;
  if (before > 0 && before + chunk.size() > limit_) {
    state_ = State::kBroken;
    notify();
    return false;
  }
  if (chunked_) {
    append_chunk(waiting_, chunk);
  } else {
    waiting_.append(chunk);
  }
  notify();
  return true;
}

void BodyStream::end() {
  std::function<void()> dropped[3];  // their destructors may call back
  std::lock_guard lock(mutex_);
  if (state_ != State::kOpen || closed_) return;
  state_ = State::kEnded;
  if (chunked_) waiting_.append(kLastChunk);
  dropped[0].swap(on_closed_);
  dropped[1].swap(on_drained_);
  dropped[2].swap(on_draining_);
  notify();
}

std::size_t BodyStream::buffered() const {
  std::lock_guard lock(mutex_);
  return waiting_.size() + taken_;
}

void BodyStream::on_closed(std::function<void()> closed) {
  std::unique_lock lock(mutex_);
  if (state_ == State::kEnded) return;
  if (!closed_) {
    on_closed_.swap(closed);
    lock.unlock();  // before what was registered is dropped
    return;
  }
  lock.unlock();
  closed();
}

void BodyStream::on_drained(std::function<void()> drained) {
  std::unique_lock lock(mutex_);
  if (state_ != State::kOpen || closed_) return;
  on_drained_.swap(drained);
  notify();
  lock.unlock();
}

void BodyStream::on_draining(std::function<void()> draining) {
  std::unique_lock lock(mutex_);
  if (state_ != State::kOpen || closed_) return;
  if (!draining_) {
    on_draining_.swap(draining);
    lock.unlock();
    return;
  }
  lock.unlock();
  draining();
}

void BodyStream::abandon() {
  std::lock_guard lock(mutex_);
  if (state_ != State::kOpen || closed_) return;
  state_ = State::kBroken;
  notify();
}

BodyStream::State BodyStream::look() {
  std::lock_guard lock(mutex_);
  notified_ = false;
  return state_;
}

BodyStream::State BodyStream::take(std::string& out) {
  std::function<void()> drained;
  std::unique_lock lock(mutex_);
  out.swap(waiting_);
  taken_ += out.size();
  if (state_ == State::kOpen && taken_ == 0) drained.swap(on_drained_);
  if (!drained) return state_;
  lock.unlock();
  drained();  // most likely writes, which is taken at once
  lock.lock();
  out.swap(waiting_);
  taken_ += out.size();
  return state_;
}

void BodyStream::on_sent(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  taken_ -= bytes;
}

void BodyStream::drain() {
  std::function<void()> draining;
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
    draining.swap(on_draining_);
  }
  if (draining) draining();
}

void BodyStream::close() {
  std::function<void()> closed;
  std::function<void()> dropped[2];
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    std::string().swap(waiting_);
    taken_ = 0;
    closed.swap(on_closed_);
    dropped[0].swap(on_drained_);
    dropped[1].swap(on_draining_);
  }
  if (closed) closed();
}

}  // namespace oa::net
