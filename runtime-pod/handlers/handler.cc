#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

TickOutcome failed_tick(Error error) {
  return {.status = TickOutcome::Status::kFail, .error = std::move(error)};
}

TickOutcome retried_tick(Error error) {
  return {.status = TickOutcome::Status::kRetry, .error = std::move(error)};
}

}  // namespace oa::runtime
