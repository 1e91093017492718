// Keys, certificates and tokens as configurations carry them: in files, or as base64.
//
// Thread-safety: functions without state.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace oa::kube {

// The whole file, at most 8 MiB of it. NOT_FOUND when it cannot be read.
Result<std::string> read_file(const std::string& path);

std::string base64_encode(std::string_view bytes);
// White space is skipped. INVALID_REQUEST: "must be base64".
Result<std::string> base64_decode(std::string_view text);

}  // namespace oa::kube
