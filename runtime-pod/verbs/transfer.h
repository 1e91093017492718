// An agent as an archive, and an archive as an agent.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "core/agent.h"
#include "core/result.h"
#include "runtime-pod/transfer/export.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

// `done` with the whole archive in a file without a name. RATE_LIMITED, reason ExportUnderWay,
// while another one is made.
void make_export(const Services& services, const AgentId& agent,
                 std::function<void(Result<std::shared_ptr<const Exported>>)> done);

enum class ImportMode {
  kRestore,  // the agent as it was, where there is none
  kClone,    // another agent that knows the same
  kMerge,    // its keys, for an agent that lacks them
};

struct Imported {
  AgentId agent;
  std::string uid;
  std::size_t rows = 0;  // of the archive that were taken; of kMerge also those that were there
};

// `done` once all of it is on disk, in one commit. What transfer/import.h and Host::restore say.
void import_archive(const Services& services, const AgentId& agent, ImportMode mode,
                    std::string archive, std::function<void(Result<Imported>)> done);

}  // namespace oa::runtime
