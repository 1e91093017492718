// Running an agent for a caller who waits.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/envelope.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/verbs/intake.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

// What a run says on its way. It promises nothing (I2): what an attempt said is void once the next
// one starts.
struct RunEvent {
  std::string name;  // "tick_start": an attempt starts; "delta", ...: what its handler shows
  std::string tick_id;
  int attempt = 1;
  Json data;  // of the handler's
};

struct RunRequest {
  TriggerType trigger = TriggerType::kRequest;
  Intake intake;
  // Read already, in place of the body; the body still tells one request from another.
  std::optional<Payload> payload{};
  // After so long the caller is told to ask for the outcome later; absent: it waits for the end.
  std::optional<Duration> wait{};
  // Gets the events of the run's own tick, before `done`; empty: nobody watches.
  std::function<void(const RunEvent&)> told{};
};

struct RunOutcome {
  std::string envelope_id;
  std::optional<TickReport> report;  // absent: it goes on, or waits for somebody, and is durable
  bool is_repeat = false;            // the report is another request's, of which this is a repeat
};

// Somebody who waits for a run.
class RunCaller {
 public:
  virtual ~RunCaller() = default;

  // Has gone: the run ends, unless it can be asked for again.
  virtual void leave() = 0;
};

// A repeat (Intake) is answered as the first was; with an envelope's id that is known otherwise,
// with its recorded outcome, or CONFLICT, reason InProgress, while there is none.
std::shared_ptr<RunCaller> run(const Services& services, RunRequest request,
                               std::function<void(Result<RunOutcome>)> done);

}  // namespace oa::runtime
