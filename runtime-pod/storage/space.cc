#include "runtime-pod/storage/space.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/statvfs.h>

namespace oa::runtime {
namespace {

constexpr std::uint64_t kLeast = 64ULL * 1024 * 1024;
constexpr std::uint64_t kLeastPercent = 5;

}  // namespace

Result<Space> read_space(const std::string& directory) {
  struct statvfs info {};
  if (statvfs(directory.c_str(), &info) != 0) {
    return make_error(
        Code::kUnavailable, "StorageFailed",
        "cannot look at the free space of " + directory + ": " + std::strerror(errno));
  }
  return Space{std::uint64_t{info.f_bavail} * info.f_frsize,
               std::uint64_t{info.f_blocks} * info.f_frsize};
}

Result<void> check_space(const Space& space) {
  const std::uint64_t least = std::max(kLeast, space.total / 100 * kLeastPercent);
  if (space.free >= least) return {};
  return make_error(Code::kLimitExceeded, "StorageFull",
                    "the disk must have " + std::to_string(least) + " bytes free but has " +
                        std::to_string(space.free));
}

}  // namespace oa::runtime
