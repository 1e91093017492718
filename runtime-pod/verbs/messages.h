// Messages: taken when they are on disk, processed afterwards.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <string>

#include "core/result.h"
#include "runtime-pod/verbs/intake.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct SendAnswer {
  std::string envelope_id;
  bool is_duplicate = false;  // it was taken before, and nothing was done now
};

// `done` once the message is on disk. A repeat (Intake) is told as one; CONFLICT, reason
// IdempotencyKeyReused, for a key that came with another message before.
void send_message(const Services& services, Intake intake,
                  std::function<void(Result<SendAnswer>)> done);

}  // namespace oa::runtime
