// Secrets that somebody else keeps for the agents, as files below one directory: read when they are
// needed, so that a new value counts at once, and never stored, logged or shown.
//
// Thread-safety: can be called from any thread. Reads the disk, so not on an I/O thread.
#pragma once

#include <string>
#include <vector>

#include "core/agent.h"
#include "core/result.h"

namespace oa::runtime {

// The values in `<directory>/<name>/<key>`: its lines, without the empty ones. There are two while
// one takes the place of the other, the current one first. NOT_FOUND, reason SecretMissing, if
// there is no such file or it cannot be read.
Result<std::vector<std::string>> read_secret(const std::string& directory, const SecretKeyRef& ref);

}  // namespace oa::runtime
