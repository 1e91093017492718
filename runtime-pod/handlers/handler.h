// The seam between the runtime and an agent's logic: a tick goes in as a value, what it wants
// changed comes out as a value. A handler touches neither the store nor a socket of a caller.
//
// Thread-safety: one handler serves all agents and all threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/error.h"
#include "core/json.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

struct TickInput {
  AgentId agent;
  std::string uid;
  std::int64_t epoch = 0;
  std::int64_t tick = 0;  // the same for every attempt
  int attempt = 1;
  Time now;
  Monotonic deadline;  // after it the outcome is thrown away
  std::shared_ptr<const Trigger> trigger;
  std::shared_ptr<const Json> state;  // as of the last commit; null before the first
};

struct TickOutcome {
  enum class Status {
    kDone,   // the changes below are committed, then `reply` leaves
    kRetry,  // `error`; nothing is committed, the tick runs again
    kFail,   // `error`; nothing is committed, the caller gets the error
  };
  Status status = Status::kDone;
  Error error;
  std::shared_ptr<const Json> state;  // replaces the whole; null: unchanged
  std::vector<KvWrite> kv;            // a later write of a key wins
  Payload reply;
};

TickOutcome failed_tick(Error error);
TickOutcome retried_tick(Error error);

class Handler {
 public:
  virtual ~Handler() = default;

  // "notebook": for people.
  virtual std::string_view name() const = 0;

  // Called on a worker. `done` is to be called once, from any thread, at the latest about
  // `input.deadline`; later ones are ignored.
  virtual void run(TickInput input, std::function<void(TickOutcome)> done) = 0;
};

}  // namespace oa::runtime
