// Putting an agent to sleep and waking it, by hand.
//
// Here an agent sleeps when it is out of memory: its rows stay, and a request, a message or an
// alarm wakes it. In a pod the wish goes on to the operator, which may then end the pod.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker
// or the caller's own thread, and must not block.
#pragma once

#include <functional>

#include "core/result.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

// `done(true)`: it sleeps. `done(false)`: something of it waits or runs, and it stays awake.
void hibernate_agent(const Services& services, const AgentId& agent,
                     std::function<void(Result<bool>)> done);

// `done` once it is awake. CONFLICT, reason Suspended, for one that nothing wakes.
void wake_agent(const Services& services, const AgentId& agent,
                std::function<void(Result<void>)> done);

}  // namespace oa::runtime
