// An answer of server-sent events, written as things happen.
//
// A comment goes out every 15 s, so that nothing between here and the client takes the silence for
// an end.
//
// Thread-safety: can be used from any thread; never blocks.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "libs/net/sse.h"
#include "libs/net/stream.h"
#include "runtime-pod/http/api.h"

namespace oa::runtime {

inline constexpr Duration kHeartbeat = std::chrono::seconds(15);

class EventStream : public std::enable_shared_from_this<EventStream> {
 public:
  // Answers the call.
  static std::shared_ptr<EventStream> open(const CallPtr& call);

  EventStream(Scheduler& scheduler, const Clock& clock) : scheduler_(scheduler), clock_(clock) {}

  // False: nobody reads any more.
  bool send(const net::SseEvent& event);
  bool send_text(std::string events);  // as net::format_sse makes them
  void end();

  // Once, when the client has gone before the end. Kept, as the stream is, until then or the end.
  void on_closed(std::function<void()> closed);
  // As net::BodyWriter has them; not called once the stream is over.
  void on_drained(std::function<void()> drained);
  void on_draining(std::function<void()> draining);

 private:
  struct Unopened;

  void attach(std::shared_ptr<net::BodyWriter> writer);
  void gone();
  bool write(std::string text);
  void arm_heartbeat();
  void beat();

  Scheduler& scheduler_;
  const Clock& clock_;

  std::mutex mutex_;
  std::shared_ptr<net::BodyWriter> writer_;  // by mutex_, as all below; null: not yet, or over
  std::string early_;                        // what was sent before there was a writer
  bool is_attached_ = false;                 // there was one
  bool is_over_ = false;
  std::function<void()> closed_;
  std::function<void()> drained_;  // registered before there was a writer, as the next
  std::function<void()> draining_;
};

}  // namespace oa::runtime
