// The body of an answer, written piece by piece while the client reads it, and the news that a
// client has gone away.
//
// When a client counts as gone: its connection was reset, or has ended from its side. TCP does not
// tell a client that closed from one that only finished sending (`shutdown(SHUT_WR)`), so the end
// of its input counts, as it does for nginx: a streamed answer ends there. A request that still
// waits for its answer is reported as abandoned, but an answer that comes nevertheless is sent.
//
// All callbacks run on one of the server's I/O threads (or within the call that registers them,
// where it says "at once") and must neither block nor throw. Each is called at most once;
// registering again replaces one that has not been called. They are dropped when nothing can call
// them any more, so a callback may hold the writer that it is registered with.
//
// Thread-safety: all members can be called from any thread, never block, and can be called also
// after the client or the server has gone.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace oa::net {

// What Response::stream gets. A writer that is destroyed before `end` cuts the connection, so that
// the client does not take half a body for a whole one.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;

  // Adds to the body. False: the client has gone, was cut off, or `end` was called; what is written
  // is dropped.
  //
  // A slow client is cut off: when more than ServerLimits::stream_buffer_bytes would wait for it (a
  // chunk before which nothing waits is always taken), or when it takes no byte of what waits for
  // ServerLimits::write_timeout. Who has much to write therefore writes a part and goes on in
  // `on_drained`.
  virtual bool write(std::string chunk) = 0;

  // The body is complete. Idempotent.
  virtual void end() = 0;

  // Bytes, with their framing, that the kernel has not taken yet.
  virtual std::size_t buffered() const = 0;

  // The stream is over before `end`: the client has gone or was cut off, or the server closed. At
  // once if that has happened already.
  virtual void on_closed(std::function<void()> closed) = 0;

  // Nothing waits any more; later on the I/O thread if nothing does now. Not called once the stream
  // is over.
  virtual void on_drained(std::function<void()> drained) = 0;

  // The server drains: what may end should end now, since whatever is still open at the drain's
  // deadline is cut. At once if it drains already.
  virtual void on_draining(std::function<void()> draining) = 0;
};

// The client whose request waits for its answer: Request::caller.
class Caller {
 public:
  virtual ~Caller() = default;

  // The client went away before the answer was given. At once if it has gone already. The callback
  // must not hold the request's Respond.
  virtual void on_gone(std::function<void()> gone) = 0;
};

}  // namespace oa::net
