// Who may use a data directory: one process at a time, on a disk that keeps what is synced.
//
// Thread-safety: none; used while the process starts.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"

namespace oa::runtime {

// Waits a moment; false: give up, the process was asked to stop.
using Pause = std::function<bool(std::chrono::milliseconds)>;

// An exclusive lock on a directory. It ends with this object, or with the process.
class DirectoryLock {
 public:
  // Tries until `wait` is over. CONFLICT, reason DataDirectoryLocked, if another process has it.
  static Result<DirectoryLock> acquire(const std::string& directory, Duration wait,
                                       const Clock& clock, const Pause& pause);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

// Makes the directory, with its parents, if it is missing; only the owner may enter it.
Result<void> make_data_directory(const std::string& directory);

// Makes an empty file that only the owner may read, if it is missing. SQLite gives its other files
// the same mode.
Result<void> make_private_file(const std::string& path);

// INVALID_REQUEST, reason NetworkFileSystem, for a directory on NFS, SMB and the like, whose locks
// and syncs do not hold what a database needs.
Result<void> check_local_file_system(const std::string& directory);

// The name of a network file system by its statfs(2) type; empty for all others.
std::string_view network_file_system(unsigned long type);

}  // namespace oa::runtime
