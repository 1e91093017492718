// Keys, certificates and tokens as configurations carry them in files.
//
// Thread-safety: functions without state.
#pragma once

#include <string>

#include "core/result.h"

namespace oa::kube {

// The whole file, at most 8 MiB of it. NOT_FOUND when it cannot be read.
Result<std::string> read_file(const std::string& path);

}  // namespace oa::kube
