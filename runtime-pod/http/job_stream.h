// What becomes of a job, as server-sent events: `job` with the job as it is now at first and after
// each change, and `done` when it is over, which is the last.
//
// An event's id stands for what the job was like: who asks again with the newest gets nothing until
// something else has happened. What changes twice in a short time may be shown once.
//
// Thread-safety: can be called from any thread; never blocks.
#pragma once

#include <string>

#include "runtime-pod/http/api.h"

namespace oa::runtime {

// Answers the call.
void stream_job(const CallPtr& call, AgentKey agent, const std::string& id);

}  // namespace oa::runtime
