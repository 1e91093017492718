// What an agent's ticks have logged, from the events that they left.
//
// Thread-safety: pure functions; `list_logs` waits for the disk.
#pragma once

#include <optional>
#include <vector>

#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/agent/feed.h"
#include "runtime-pod/storage/reader.h"

namespace oa::runtime {

// Whether the event is a line of at least this level. A level that is none of ours counts as info.
bool is_log_line(const StreamEvent& event, obs::Level least);

struct LogPage {
  std::vector<StreamEvent> lines;  // newest first
  // Where to go on if there is more. There may be more behind a page that is not full, or empty:
  // a page reads so many records at most.
  std::optional<EventId> next;
};

// The lines from the agent's event record `newest` back or, with `before`, of those before it.
// NOT_FOUND for a `before` whose record is gone.
Result<LogPage> list_logs(Reader& reader, AgentKey agent, std::int64_t newest,
                          const std::optional<EventId>& before, obs::Level least, int limit);

}  // namespace oa::runtime
