// One agent as an archive (transfer/archive.h, transfer/document.h): everything that it has on
// disk, as of one moment. No secret and no private key is in it.
//
// Thread-safety: can be called from any thread. Waits for the disk, so not on an I/O thread.
#pragma once

#include <cstdint>
#include <string>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/crypto/ed25519.h"
#include "runtime-pod/storage/snapshot.h"
#include "runtime-pod/transfer/archive.h"

namespace oa::runtime {

struct Exported {
  NamelessFile file;
  std::int64_t bytes = 0;
};

struct ExportSource {
  std::string directory;  // where the file is made
  std::string runtime;    // the version of this program
  std::int64_t schema = 0;
  std::int64_t epoch = 0;
  const crypto::Ed25519PrivateKey& key;  // signs the end of the audit log
};

// NOT_FOUND if there is no such agent; LIMIT_EXCEEDED, reason StorageFull, if the archive would
// leave too little of the disk.
Result<Exported> export_agent(Snapshot& snapshot, const AgentId& agent, const ExportSource& source,
                              Time now);

}  // namespace oa::runtime
