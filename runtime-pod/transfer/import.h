// What becomes of an archive: checked whole, and turned into one change of the store.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "runtime-pod/audit/verify.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/transfer/document.h"

namespace oa::runtime {

// An archive that holds together: its digest and its audit chain are right, and all of it can be
// read.
struct Archive {
  ArchiveManifest manifest;
  AgentSpec spec;
  std::optional<std::string> state;
  std::vector<ItemWrite> items;  // in order of kind and key, none twice
  std::vector<LogRecord> records;
  VerifiedLog log;
};

// INVALID_REQUEST, with the reason ArchiveDamaged, ArchiveTooNew or AuditChainBroken; an archive
// whose audit log is not signed with the key that it names is UNAUTHENTICATED.
Result<Archive> open_archive(std::string_view bytes, std::int64_t schema);

// The agent as it was, under its own name only: INVALID_REQUEST for another one, as the name is
// part of the audit chain.
Result<AgentRestore> plan_restore(Archive archive, const AgentId& agent);

// Another agent that knows what the first one knew: state, keys, alarms, schedules, finished jobs
// and dead letters. What the first one is in the middle of stays its own: its inbox and journal,
// what it sends, its sockets, and all that tells repeats. The audit chain begins anew, with a
// record that names the origin.
Result<AgentRestore> plan_clone(Archive archive, const AgentId& agent, std::string uid, Time now);

// The keys of the archive, each for an agent that does not have it yet.
std::vector<ItemWrite> plan_merge(Archive archive);

}  // namespace oa::runtime
