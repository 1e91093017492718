// A SQLite VFS that works like the system's, but fails the operations that a test picks, runs out
// of room, or loses its power and with it what was not synced.
//
// Thread-safety: can be used from any thread, but for `lose_unsynced`.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

struct sqlite3_vfs;

namespace oa::test {

class FaultyVfs {
 public:
  enum class Operation { kWrite, kSync };

  // Registers itself under `name`; must outlive every connection that uses it.
  explicit FaultyVfs(std::string name);
  ~FaultyVfs();

  const char* name() const { return name_.c_str(); }

  // The `nth` operation from now (1: the next) and the `times` - 1 after it answer `code`, a
  // SQLite result code, and do nothing.
  void fail(Operation operation, int nth, int code, int times = 1);
  void clear();

  // How many operations there were since the last `fail` or `clear`.
  int count(Operation operation) const;

  // From now on files may grow by so many bytes in all; a write that needs more answers SQLITE_FULL
  // and does nothing. Nothing: as much as they like.
  void set_room(std::optional<std::int64_t> bytes);
  void add_room(std::int64_t bytes);

  // From now on what is not synced can be lost, and syncs cost nothing. The power fails before the
  // `nth` write or sync from now (1: the next): that and all that follow answer SQLITE_IOERR and do
  // nothing.
  void lose_power_at(int nth);
  bool has_power() const { return !is_dark_; }
  // Puts the files on the disk into a state that a loss of power may have left: what was synced is
  // there, and of the writes and truncations after it a random part, the last one maybe torn. No
  // connection may be open.
  void lose_unsynced(std::mt19937_64& random);

  // What the VFS's files ask before an operation: a result code to give instead, or SQLITE_OK.
  int verdict(Operation operation);
  int verdict_on_growth(std::int64_t bytes);

  // What a file has done since its last sync, so that it can be undone.
  struct Step {
    std::int64_t at = 0;
    std::string bytes;   // that were written; empty: the file was cut at `at`
    std::string before;  // what `bytes` replaced, or what was cut off
    std::int64_t size_before = 0;
  };
  bool keeps_steps() const { return keeps_steps_; }
  void add_step(const std::string& path, Step step);
  void forget_steps(const std::string& path);

 private:
  struct Plan {
    std::atomic<int> seen{0};
    std::atomic<int> first{0};
    std::atomic<int> last{0};
    std::atomic<int> code{0};
  };

  const std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  Plan plans_[2];
  std::atomic<std::int64_t> room_{-1};  // below 0: without bounds
  std::atomic<bool> keeps_steps_{false};
  std::atomic<int> until_dark_{0};
  std::atomic<bool> is_dark_{false};
  std::mutex mutex_;
  std::map<std::string, std::vector<Step>> steps_;  // by mutex_; of each file
};

}  // namespace oa::test
