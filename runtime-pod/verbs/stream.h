// Reading along: what an agent has done, and what it does.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/result.h"
#include "runtime-pod/agent/feed.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

// The last event of an agent's watchers: it is gone.
inline constexpr std::string_view kAgentDeleted = "deleted";

struct StreamRequest {
  AgentId agent;
  std::optional<EventId> after;  // what follows this event; without it:
  bool from_start = false;       // all that there is, or what happens from now on
};

// Part of a stream, in order. Never empty, but at its end.
struct StreamPart {
  std::optional<EventId> gap;  // before the events: what was older than this is gone
  std::vector<StreamEvent> events;
  bool is_over = false;  // nothing follows: the agent was deleted, or its log cannot be read
};

// One who reads along at a pace of their own. Ends with its destruction.
class AgentStream {
 public:
  virtual ~AgentStream() = default;

  // The next part, once there is one; to be asked for one at a time.
  virtual void next(std::function<void(StreamPart)> told) = 0;
  // No part is told any more.
  virtual void stop() = 0;
};

void open_stream(const Services& services, const StreamRequest& request,
                 std::function<void(Result<std::shared_ptr<AgentStream>>)> opened);

}  // namespace oa::runtime
