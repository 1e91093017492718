#include <limits>
#include <mutex>
#include <openagents/runtime/v1/runtime.pb.h>
#include <utility>

#include "libs/net/sse.h"
#include "runtime-pod/grpc/calls_impl.h"

namespace oa::runtime {
namespace {

// The events come from this process, and what they hold is bounded there.
constexpr std::size_t kEventBytes = std::numeric_limits<std::size_t>::max();

class EventWriter final : public net::BodyWriter {
 public:
  explicit EventWriter(ExchangePtr exchange) : exchange_(std::move(exchange)) {}
  ~EventWriter() override {
    exchange_->finish({{grpc::StatusCode::UNAVAILABLE, "the stream was cut off"}});
  }

  bool write(std::string chunk) override {
    const std::lock_guard lock(mutex_);
    std::vector<net::SseEvent> events;
    if (!parser_.feed(chunk, events)) return false;
    for (const net::SseEvent& event : events) {
      if (!pass(event)) return false;
    }
    return true;
  }

  void end() override { exchange_->finish({}); }
  std::size_t buffered() const override { return exchange_->buffered(); }
  void on_closed(std::function<void()> closed) override { exchange_->on_closed(std::move(closed)); }
  void on_drained(std::function<void()> drained) override {
    exchange_->on_drained(std::move(drained));
  }
  void on_draining(std::function<void()> draining) override {
    exchange_->on_draining(std::move(draining));
  }

 private:
  // A failure is told by the status, as everywhere in gRPC.
  bool pass(const net::SseEvent& event) {
    if (event.event == "error") {
      if (const auto problem = read_problem(event.data)) {
        exchange_->finish(end_of(*problem));
        return false;
      }
    }
    openagents::runtime::v1::Event message;
    message.set_id(event.id);
    message.set_event(event.event.empty() ? "message" : event.event);
    message.set_data(event.data);
    return exchange_->send(message);
  }

  const ExchangePtr exchange_;
  std::mutex mutex_;
  net::SseParser parser_{kEventBytes};  // by mutex_
};

}  // namespace

std::shared_ptr<net::BodyWriter> make_event_writer(ExchangePtr exchange) {
  return std::make_shared<EventWriter>(std::move(exchange));
}

}  // namespace oa::runtime
