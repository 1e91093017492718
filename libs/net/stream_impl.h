// The bytes of a streamed answer on their way from any thread to the connection.
//
// Thread-safety: BodyStream's first part can be used from any thread, its second part by the
// connection on its I/O thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "libs/net/respond_impl.h"
#include "libs/net/stream.h"

namespace oa::net {

// A connection that sends what others write. Called on the I/O thread when there is something new.
class OutputTarget {
 public:
  virtual ~OutputTarget() = default;
  virtual void on_output() = 0;
};

class BodyStream {
 public:
  BodyStream(std::shared_ptr<Mailbox> mailbox, std::weak_ptr<OutputTarget> target, bool chunked,
             std::size_t limit)
      : mailbox_(std::move(mailbox)),
        target_(std::move(target)),
        chunked_(chunked),
        limit_(limit) {}

  // What BodyWriter says.
  bool write(std::string_view chunk);
  void end();
  std::size_t buffered() const;
  void on_closed(std::function<void()> closed);
  void on_drained(std::function<void()> drained);
  void on_draining(std::function<void()> draining);
  // The writer is gone: without `end` the body will never be whole.
  void abandon();

  // For the connection.
  enum class State { kOpen, kEnded, kBroken };
  // Its state now; what happens after this call is notified.
  State look();
  // What waits, into `out`, which must be empty. After kEnded nothing more will come.
  State take(std::string& out);
  // Bytes of what was taken that the kernel has.
  void on_sent(std::size_t bytes);
  void drain();
  // The connection has ended.
  void close();

 private:
  void notify();  // with mutex_ held

  const std::shared_ptr<Mailbox> mailbox_;
  const std::weak_ptr<OutputTarget> target_;
  const bool chunked_;
  const std::size_t limit_;

  mutable std::mutex mutex_;  // guards all below; not held while a callback runs
  State state_ = State::kOpen;
  bool closed_ = false;  // by the connection
  bool draining_ = false;
  bool notified_ = false;  // a notification is on its way
  std::string waiting_;    // framed
  std::size_t taken_ = 0;  // bytes that were taken and that the kernel does not have yet
  std::function<void()> on_closed_;
  std::function<void()> on_drained_;
  std::function<void()> on_draining_;
};

// A writer that leads to `stream`.
std::shared_ptr<BodyWriter> make_writer(std::shared_ptr<BodyStream> stream);

}  // namespace oa::net
