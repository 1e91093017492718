// A run whose caller reads along: `meta`, `delta`s and `reset`s, `usage`, then exactly one `done`
// or `error`.
//
// The stream opens when the run starts, or after the first heartbeat's time; what is refused before
// that is refused as without a stream.
//
// Thread-safety: can be called from any thread; never blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "runtime-pod/http/api.h"
#include "runtime-pod/verbs/run.h"

namespace oa::runtime {

// How one protocol says it. Each gives JSON, on one line.
struct RunStreamFormat {
  std::function<OrderedJson(const std::string& tick_id, int attempt)> meta;
  std::function<std::string(const TickReport& report)> usage;
  std::function<std::string(const TickReport& report)> done;
  std::function<std::string(const Error& error)> error;
  std::function<void(const Error& error)> refuse;  // answers the call
};

void stream_run(const CallPtr& call, RunRequest request, RunStreamFormat format);

// Tells the run when the call's client goes away before its answer.
void watch_client(const CallPtr& call, const std::shared_ptr<RunCaller>& caller);

}  // namespace oa::runtime
