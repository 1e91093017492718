#include "runtime-pod/grpc/exchange_impl.h"

#include <array>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

namespace oa::runtime {
namespace {

grpc::ByteBuffer bytes_of(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  bool own = false;
  static_cast<void>(grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(
      message, &bytes, &own));
  return bytes;
}

}  // namespace

RawService::RawService(const google::protobuf::ServiceDescriptor& descriptor) {
  names_.reserve(static_cast<std::size_t>(descriptor.method_count()));
  for (int i = 0; i < descriptor.method_count(); ++i) {
    names_.push_back("/" + descriptor.full_name() + "/" + descriptor.method(i)->name());
    AddMethod(new grpc::internal::RpcServiceMethod(
        names_.back().c_str(), grpc::internal::RpcMethod::SERVER_STREAMING, nullptr));
    MarkMethodAsync(i);
  }
}

void RawService::request(int method, Wire& wire, grpc::ServerCompletionQueue& queue, Tag& tag) {
  RequestAsyncServerStreaming(method, &wire.context, &wire.request, &wire.writer, &queue, &queue,
                              &tag);
}

void Exchange::accept(Exchanges& exchanges, const Method& method) {
  const auto exchange = std::make_shared<Exchange>(exchanges);
  Exchange& one = *exchange;
  one.self_ = exchange;
  one.pending_ = 1;
  one.started_.fire = [&one, &method](bool ok) { one.started(ok, method); };
  one.written_.fire = [&one](bool ok) { one.wrote(ok); };
  one.finished_.fire = [&one](bool) { one.settle(std::unique_lock(one.mutex_)); };
  one.done_.fire = [&one](bool) { one.done(); };
  one.alarmed_.fire = [&one](bool) { one.posted(); };
  one.wire_->context.AsyncNotifyWhenDone(&one.done_);
  method.service->request(method.index, *one.wire_, exchanges.queue, one.started_);
}

// Not ok: the server ends, and the call never was.
void Exchange::started(bool ok, const Method& method) {
  const ExchangePtr self = shared_from_this();
  if (!ok) return settle(std::unique_lock(mutex_));
  accept(exchanges_, method);
  // The operation that has come back is replaced by the one that `done` ends.
  exchanges_.began(self);
  method.begin(self);
}

bool Exchange::read(google::protobuf::Message& message) {
  const std::lock_guard lock(mutex_);
  if (!wire_) return false;
  grpc::ProtoBufferReader reader(&wire_->request);
  const bool good = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  wire_->request.Clear();
  return good;
}

std::string Exchange::metadata(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (!wire_) return {};
  const auto& all = wire_->context.client_metadata();
  const auto found = all.find(name);
  return found == all.end() ? std::string()
                            : std::string(found->second.data(), found->second.size());
}

std::string Exchange::authority() {
  const std::lock_guard lock(mutex_);
  if (!wire_) return {};
  const grpc::string_ref name = wire_->context.ExperimentalGetAuthority();
  return {name.data(), name.size()};
}

std::string Exchange::peer() {
  const std::lock_guard lock(mutex_);
  return wire_ ? wire_->context.peer() : std::string();
}

void Exchange::reply(const google::protobuf::Message& message, End end) {
  grpc::ByteBuffer bytes = bytes_of(message);
  const std::lock_guard lock(mutex_);
  if (is_over_ || !wire_) return;
  is_over_ = true;
  queued_bytes_ += bytes.Length();
  queue_.push_back(std::move(bytes));
  end_ = std::move(end);
  pump();
}

bool Exchange::send(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes = bytes_of(message);
  const std::lock_guard lock(mutex_);
  if (is_over_ || !wire_) return false;
  const std::size_t size = bytes.Length();
  if (!queue_.empty() && queued_bytes_ + size > exchanges_.stream_buffer_bytes) {
    is_over_ = true;
    wire_->context.TryCancel();
    return false;
  }
  queued_bytes_ += size;
  queue_.push_back(std::move(bytes));
  pump();
  return true;
}

void Exchange::finish(End end) {
  const std::lock_guard lock(mutex_);
  if (is_over_ || !wire_) return;
  is_over_ = true;
  end_ = std::move(end);
  pump();
}

void Exchange::abort(End end) {
  const std::lock_guard lock(mutex_);
  if (!wire_ || is_finishing_) return;
  is_over_ = true;
  if (is_writing_) return wire_->context.TryCancel();
  queue_.clear();
  queued_bytes_ = 0;
  end_ = std::move(end);
  pump();
}

// One operation at a time: a write, or at last the end, with the last message if that still waits.
void Exchange::pump() {
  if (is_writing_ || is_finishing_ || is_closed_) return;
  const bool is_last = end_ && queue_.size() <= 1;
  if (!is_last && queue_.empty()) return;
  ++pending_;
  if (!is_last) {
    is_writing_ = true;
    return wire_->writer.Write(queue_.front(), &written_);
  }
  is_finishing_ = true;
  for (const auto& [name, value] : end_->trailers) wire_->context.AddTrailingMetadata(name, value);
  if (queue_.empty()) return wire_->writer.Finish(end_->status, &finished_);
  wire_->writer.WriteAndFinish(queue_.front(), {}, end_->status, &finished_);
}

void Exchange::wrote(bool ok) {
  std::unique_lock lock(mutex_);
  is_writing_ = false;
  queued_bytes_ -= queue_.front().Length();
  queue_.pop_front();
  if (ok) pump();
  if (queue_.empty() && !is_over_ && drained_) {
    work_.push_back(std::exchange(drained_, nullptr));
    start_alarm();
  }
  settle(std::move(lock));
}

// The call has come to its end: its status was sent, or the client has gone, or its deadline.
void Exchange::done() {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  is_over_ = true;
  std::function<void()> gone, closed;
  if (!is_finishing_) {
    gone = std::exchange(gone_, nullptr);
    closed = std::exchange(closed_, nullptr);
  }
  const ExchangePtr self = self_;
  settle(std::move(lock));
  if (gone) gone();
  if (closed) closed();
}

void Exchange::settle(std::unique_lock<std::mutex> lock) {
  if (--pending_ > 0) return;
  const std::unique_ptr<Wire> wire = std::move(wire_);
  const ExchangePtr self = std::move(self_);
  // What is kept may hold this exchange.
  const std::array kept = {std::exchange(gone_, nullptr), std::exchange(closed_, nullptr),
                           std::exchange(drained_, nullptr), std::exchange(draining_, nullptr)};
  const auto work = std::exchange(work_, {});
  lock.unlock();
  exchanges_.over(self.get());
}

void Exchange::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (!wire_) return;
  work_.push_back(std::move(work));
  start_alarm();
}

void Exchange::start_alarm() {
  if (has_alarm_) return;
  has_alarm_ = true;
  ++pending_;
  wire_->alarm.Set(&exchanges_.queue, gpr_now(GPR_CLOCK_MONOTONIC), &alarmed_);
}

void Exchange::posted() {
  std::unique_lock lock(mutex_);
  has_alarm_ = false;
  const std::vector<std::function<void()>> work = std::exchange(work_, {});
  lock.unlock();
  for (const auto& one : work) one();
  lock.lock();
  settle(std::move(lock));
}

std::size_t Exchange::buffered() {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

void Exchange::drain() {
  std::unique_lock lock(mutex_);
  is_draining_ = true;
  const auto draining = std::exchange(draining_, nullptr);
  lock.unlock();
  if (draining) draining();
}

void Exchange::answered() {
  std::function<void()> gone;
  const std::lock_guard lock(mutex_);
  is_answered_ = true;
  gone.swap(gone_);
}

// A callback that is replaced goes after the lock: it may hold what ends this call as it goes.

void Exchange::hear(std::function<void()>& slot, std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  if (is_finishing_ || (&slot == &gone_ && is_answered_)) return;
  if (wire_ && !is_closed_) {
    slot.swap(callback);
    return;
  }
  lock.unlock();
  callback();
}

void Exchange::on_gone(std::function<void()> gone) { hear(gone_, std::move(gone)); }

void Exchange::on_closed(std::function<void()> closed) { hear(closed_, std::move(closed)); }

void Exchange::on_drained(std::function<void()> drained) {
  const std::lock_guard lock(mutex_);
  if (is_over_ || !wire_) return;
  if (queue_.empty()) {
    work_.push_back(std::move(drained));
    start_alarm();
  } else {
    drained_.swap(drained);
  }
}

void Exchange::on_draining(std::function<void()> draining) {
  std::unique_lock lock(mutex_);
  if (!wire_) return;
  if (!is_draining_) {
    draining_.swap(draining);
    return;
  }
  lock.unlock();
  draining();
}

}  // namespace oa::runtime
