// Which build this is, for --version, logs and openagents_build_info.
//
// Thread-safety: constants.
#pragma once

#include <string>

namespace oa::obs {

struct BuildInfo {
  const char* version;     // "0.1.0"
  const char* commit;      // short git hash, or "unknown" outside a checkout
  const char* build_type;  // "Release", "Debug"
};

extern const BuildInfo kBuildInfo;

// "agent-runtime 0.1.0 (commit 1a2b3c4, Release)"
std::string version_line(const std::string& program);

}  // namespace oa::obs
