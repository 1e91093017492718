// A SQLite VFS that works like the system's, but fails the operations that a test picks.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

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

  // What the VFS's files ask before an operation: a result code to give instead, or SQLITE_OK.
  int verdict(Operation operation);

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
};

}  // namespace oa::test
