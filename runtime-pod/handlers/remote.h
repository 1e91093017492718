// A handler in another process: a container beside the runtime, or a URL. Each attempt of a tick is
// one `POST` of the tick document (handlers/protocol.h), answered with JSON or, to show what comes
// as it comes, with `text/event-stream`: events `delta`, `log`, `progress`, `tool_call`,
// `tool_result` and `usage`, at last one `result` with the answer. What follows that is not read.
//
// The other side may hang, crash, flood or answer anything at all: it costs the tick. What may be
// different the next time (no connection, a time-out, 5xx, an answer that breaks off) is a retry;
// what breaks the protocol is a failure. Redirects are not followed.
//
// A URL may name any address that the runtime can reach, the runtime's own ports included: who may
// write a manifest decides what its runtime calls.
//
// Thread-safety: can be used from any thread, but `close` not from within a callback.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "core/clock.h"
#include "libs/net/http_client.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/handlers/context_api.h"
#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

// The client for handlers: its connections are let go before common servers drop them.
net::HttpClient::Options handler_client_options();

class RemoteHandler : public Handler {
 public:
  RemoteHandler(std::string_view name, std::unique_ptr<net::HttpClient> client,
                std::shared_ptr<ContextApi> context_api, const Clock& clock, Scheduler& scheduler)
      : name_(name),
        clock_(clock),
        scheduler_(scheduler),
        context_api_(std::move(context_api)),
        client_(std::move(client)) {}
  ~RemoteHandler() override { close(); }

  std::string_view name() const override { return name_; }
  void run(TickInput input, std::function<void(TickOutcome)> done) override;

  // Ends the exchanges that are going on, as retries, and begins no more. Afterwards neither the
  // scheduler nor the context API is used.
  void close();

 private:
  bool begin_sending();
  void end_sending();

  const std::string_view name_;
  const Clock& clock_;
  Scheduler& scheduler_;

  std::mutex mutex_;
  std::condition_variable none_sends_;
  bool closed_ = false;  // by mutex_
  int sending_ = 0;      // by mutex_; runs that use the two below at this moment
  std::shared_ptr<ContextApi> context_api_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace oa::runtime
