#include "libs/obs/build_info.h"

#include "commit_impl.h"

namespace oa::obs {

const BuildInfo kBuildInfo{OPENAGENTS_VERSION, OPENAGENTS_COMMIT, OPENAGENTS_BUILD_TYPE};

std::string version_line(const std::string& program) {
  return program + " " + kBuildInfo.version + " (commit " + kBuildInfo.commit + ", " +
         kBuildInfo.build_type + ")";
}

}  // namespace oa::obs
