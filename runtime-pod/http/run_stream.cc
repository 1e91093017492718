#include "runtime-pod/http/run_stream.h"

#include <mutex>
#include <utility>

#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/event_stream.h"

namespace oa::runtime {
namespace {

class RunStream : public std::enable_shared_from_this<RunStream> {
 public:
  RunStream(CallPtr call, RunStreamFormat format)
      : call_(std::move(call)), format_(std::move(format)) {}

  void start(RunRequest request);

 private:
  void told(const RunEvent& event);
  void done(const Result<RunOutcome>& outcome);
  void client_gone();
  void beat();

  // With mutex_ held.
  void open();
  void send(std::string event, std::string data);
  void send_meta(const std::string& tick_id, int attempt);

  const CallPtr call_;
  const RunStreamFormat format_;
  std::mutex mutex_;
  std::shared_ptr<EventStream> stream_;  // by mutex_, as all below; null: not open yet
  std::weak_ptr<RunCaller> caller_;
  bool has_meta_ = false;
  bool has_left_ = false;
  bool is_over_ = false;
};

void RunStream::start(RunRequest request) {
  const auto self = shared_from_this();
  request.told = [self](const RunEvent& event) { self->told(event); };
  request.wait.reset();  // who reads along waits for the end
  call_->services.scheduler.at(call_->services.clock.monotonic() + kHeartbeat,
                               [weak = weak_from_this()] {
                                 if (const auto stream = weak.lock()) stream->beat();
                               });
  const auto caller = run(call_->services, std::move(request),
                          [self](const Result<RunOutcome>& outcome) { self->done(outcome); });
  watch_client(call_, caller);
  bool has_left = false;
  {
    const std::lock_guard lock(mutex_);
    caller_ = caller;
    has_left = has_left_;
  }
  if (has_left) caller->leave();
}

void RunStream::told(const RunEvent& event) {
  const std::lock_guard lock(mutex_);
  if (is_over_) return;
  if (event.name == "delta") {
    open();
    return send("delta", dump(event.data));
  }
  if (event.name != "tick_start") return;
  open();
  if (!has_meta_) return send_meta(event.tick_id, event.attempt);
  send("reset", Json{{"attempt", event.attempt}}.dump());
}

void RunStream::done(const Result<RunOutcome>& outcome) {
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  if (!outcome) {
    if (!stream_) return format_.refuse(outcome.error());
    send("error", format_.error(outcome.error()));
  } else if (!outcome->report) {
    open();
    send("done", OrderedJson{{"envelopeId", outcome->envelope_id}, {"status", "Waiting"}}.dump());
  } else {
    const TickReport& report = *outcome->report;
    open();
    if (!has_meta_) send_meta(tick_id(report.tick), 1);
    send("usage", format_.usage(report));
    send("done", format_.done(report));
  }
  stream_->end();
}

void RunStream::client_gone() {
  std::shared_ptr<RunCaller> caller;
  {
    const std::lock_guard lock(mutex_);
    has_left_ = true;
    caller = caller_.lock();
  }
  if (caller) caller->leave();
}

void RunStream::beat() {
  const std::lock_guard lock(mutex_);
  if (!is_over_) open();
}

void RunStream::open() {
  if (stream_) return;
  stream_ = EventStream::open(call_);
  stream_->on_closed([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->client_gone();
  });
}

void RunStream::send(std::string event, std::string data) {
  stream_->send({.event = std::move(event), .data = std::move(data)});
}

void RunStream::send_meta(const std::string& tick_id, int attempt) {
  has_meta_ = true;
  send("meta", format_.meta(tick_id, attempt).dump());
}

}  // namespace

void stream_run(const CallPtr& call, RunRequest request, RunStreamFormat format) {
  std::make_shared<RunStream>(call, std::move(format))->start(std::move(request));
}

void watch_client(const CallPtr& call, const std::shared_ptr<RunCaller>& caller) {
  const auto client = call->request.caller.lock();
  if (!client) return;
  client->on_gone([weak = std::weak_ptr<RunCaller>(caller)] {
    if (const auto run = weak.lock()) run->leave();
  });
}

}  // namespace oa::runtime
