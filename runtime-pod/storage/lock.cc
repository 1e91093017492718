#include "runtime-pod/storage/lock.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

namespace oa::runtime {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{50};

Error system_error(const std::string& what, const std::string& path) {
  return make_error(Code::kUnavailable, "StorageFailed",
                    what + " " + path + ": " + std::strerror(errno));
}

}  // namespace

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<DirectoryLock> DirectoryLock::acquire(const std::string& directory, Duration wait,
                                             const Clock& clock, const Pause& pause) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return system_error("cannot open the data directory", directory);
  DirectoryLock lock(descriptor);
  const Monotonic deadline = clock.monotonic() + wait;
  for (;;) {
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return system_error("cannot lock the data directory", directory);
    }
    if (clock.monotonic() >= deadline || !pause(kRetryAfter)) {
      return make_error(Code::kConflict, "DataDirectoryLocked",
                        "the data directory " + directory +
                            " must not be in use, but another process has locked it");
    }
  }
}

Result<void> make_data_directory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return make_error(Code::kUnavailable, "StorageFailed",
                      "cannot make the data directory " + directory + ": " + error.message());
  }
  // A mounted volume may belong to root and be open by its group: then its mode stays.
  if (chmod(directory.c_str(), S_IRWXU) != 0 && errno != EPERM && errno != EROFS) {
    return system_error("cannot set the mode of the data directory", directory);
  }
  return {};
}

Result<void> make_private_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (descriptor < 0) return system_error("cannot open", path);
  close(descriptor);
  return {};
}

std::string_view network_file_system(unsigned long type) {
  switch (type & 0xffffffffUL) {
    case 0x6969:
      return "NFS";
    case 0x517b:
    case 0xff534d42:
    case 0xfe534d42:
      return "SMB";
    case 0x00c36400:
      return "Ceph";
    case 0x5346414f:
    case 0x6b414653:
      return "AFS";
    case 0x73757245:
      return "Coda";
    case 0x01021997:
      return "9P";
    case 0x0bd00bd0:
      return "Lustre";
    case 0x65735546:
      return "FUSE";
    default:
      return {};
  }
}

Result<void> check_local_file_system(const std::string& directory) {
  struct statfs info {};
  if (statfs(directory.c_str(), &info) != 0) {
    return system_error("cannot look at the file system of", directory);
  }
  const auto name = network_file_system(static_cast<unsigned long>(info.f_type));
  if (name.empty()) return {};
  return make_error(Code::kInvalidRequest, "NetworkFileSystem",
                    "the data directory " + directory +
                        " must be on a local file system but is on " + std::string(name) +
                        "; --allow-network-file-system overrides this at the risk of the data");
}

}  // namespace oa::runtime
