#include "runtime-pod/storage/reserve.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "runtime-pod/storage/space.h"

namespace oa::runtime {

Reserve::Reserve(const std::string& directory, std::int64_t bytes)
    : directory_(directory), path_(directory + "/reserve"), bytes_(bytes) {}

void Reserve::make() {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (!error && size == static_cast<std::uintmax_t>(bytes_)) return;
  auto space = read_space(directory_);
  if (!space) return;
  space->free -= std::min(space->free, static_cast<std::uint64_t>(bytes_));
  if (!check_space(*space)) return;
  const int file = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  const bool made = posix_fallocate(file, 0, bytes_) == 0;
  close(file);
  if (!made) release();  // half a reserve would be taken for one that is to be completed
}

bool Reserve::release() { return unlink(path_.c_str()) == 0; }

}  // namespace oa::runtime
