// When the disk counts as full: while there is still enough room to finish what was accepted.
//
// Thread-safety: pure, but for `read_space`.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.h"

namespace oa::runtime {

struct Space {
  std::uint64_t free = 0;  // for this user
  std::uint64_t total = 0;
};

// The file system that holds `directory`.
Result<Space> read_space(const std::string& directory);

// LIMIT_EXCEEDED, reason StorageFull, below max(64 MiB, 5 %) of free space.
Result<void> check_space(const Space& space);

}  // namespace oa::runtime
