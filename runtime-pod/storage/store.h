// One shard: a data directory with its lock, its database and its epoch, one writer and one reader.
//
// Start-up, in order: directory, file system, lock, whose it is, schema, epoch. Nothing is changed
// in a database that is refused.
//
// A reserve file keeps room for what must be committed on a full disk: ends of ticks that were
// taken in, deletions, dead letters, hibernation.
//
//   held      -- a write does not fit --> released: the file is deleted, `full` shuts the intake,
//                                         and the change is tried again
//   released  -- 64 MiB or 5 % are free besides it, and nobody has work --> held
//   released  -- a write does not fit --> the change is refused (LIMIT_EXCEEDED, StorageFull)
//
// It begins as held where there is room for it, and as released where there is not.
//
// Thread-safety: can be used from any thread once open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/storage/lock.h"
#include "runtime-pod/storage/reader.h"
#include "runtime-pod/storage/reserve.h"
#include "runtime-pod/storage/writer.h"

namespace oa::runtime {

struct StoreOptions {
  std::string directory;
  bool allow_network_file_system = false;
  Duration lock_wait{};         // how long a locked directory is awaited
  std::optional<AgentId> only;  // the database may hold this agent and no other (CONFLICT, reason
                                // WrongAgent)
  Seal seal;                    // of the audit chain
  const char* vfs = nullptr;    // SQLite's; null: the system's
  WriterLimits limits;
};

struct StoreSizes {
  std::int64_t database_bytes = 0;
  std::int64_t log_bytes = 0;  // the write-ahead log
};

// Of the database in a data directory.
std::string database_path(const std::string& directory);

class Store {
 public:
  // `clock` must outlive the store.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, WriterHooks hooks,
                                             const Clock& clock, const Pause& pause,
                                             obs::Logger log);

  // This process's number in the life of the database: raised at each opening, checked inside every
  // commit.
  std::int64_t epoch() const { return epoch_; }
  Reader& reader() { return *reader_; }
  CommitSink& commits() { return *writer_; }
  StoreSizes sizes() const;

  // Commits what is waiting and empties the write-ahead log; later changes are refused.
  void close();

 private:
  Store(const std::string& directory, DirectoryLock lock);

  const std::string path_;
  DirectoryLock lock_;  // held longest: until the connections below are closed
  Reserve reserve_;     // of the writer's thread, once there is one
  std::int64_t epoch_ = 0;
  std::optional<Reader> reader_;
  std::unique_ptr<Writer> writer_;  // its hooks use what stands above
};

}  // namespace oa::runtime
