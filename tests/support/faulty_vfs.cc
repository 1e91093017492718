#include "tests/support/faulty_vfs.h"

#include <sqlite3.h>

namespace oa::test {
namespace {

// SQLite allocates `szOsFile` bytes for a file: this, then the real file.
struct File {
  sqlite3_file base;
  FaultyVfs* owner;

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* self(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
const sqlite3_io_methods* real_methods(sqlite3_file* file) { return self(file)->real()->pMethods; }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }

int close_file(sqlite3_file* f) { return real_methods(f)->xClose(self(f)->real()); }
int read_file(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return real_methods(f)->xRead(self(f)->real(), to, size, at);
}
int write_file(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  const int rc = self(f)->owner->verdict(FaultyVfs::Operation::kWrite);
  return rc != SQLITE_OK ? rc : real_methods(f)->xWrite(self(f)->real(), from, size, at);
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  return real_methods(f)->xTruncate(self(f)->real(), size);
}
int sync_file(sqlite3_file* f, int flags) {
  const int rc = self(f)->owner->verdict(FaultyVfs::Operation::kSync);
  return rc != SQLITE_OK ? rc : real_methods(f)->xSync(self(f)->real(), flags);
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return real_methods(f)->xFileSize(self(f)->real(), size);
}
int lock_file(sqlite3_file* f, int level) { return real_methods(f)->xLock(self(f)->real(), level); }
int unlock_file(sqlite3_file* f, int level) {
  return real_methods(f)->xUnlock(self(f)->real(), level);
}
int check_reserved_lock(sqlite3_file* f, int* out) {
  return real_methods(f)->xCheckReservedLock(self(f)->real(), out);
}
int file_control(sqlite3_file* f, int op, void* argument) {
  return real_methods(f)->xFileControl(self(f)->real(), op, argument);
}
int sector_size(sqlite3_file* f) { return real_methods(f)->xSectorSize(self(f)->real()); }
int characteristics(sqlite3_file* f) {
  return real_methods(f)->xDeviceCharacteristics(self(f)->real());
}
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real_methods(f)->xShmMap(self(f)->real(), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real_methods(f)->xShmLock(self(f)->real(), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) { real_methods(f)->xShmBarrier(self(f)->real()); }
int shm_unmap(sqlite3_file* f, int remove) {
  return real_methods(f)->xShmUnmap(self(f)->real(), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         close_file,
                                         read_file,
                                         write_file,
                                         truncate_file,
                                         sync_file,
                                         file_size,
                                         lock_file,
                                         unlock_file,
                                         check_reserved_lock,
                                         file_control,
                                         sector_size,
                                         characteristics,
                                         shm_map,
                                         shm_lock,
                                         shm_barrier,
                                         shm_unmap,
                                         nullptr,
                                         nullptr};

int open_file(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  File* opened = self(file);
  opened->owner = static_cast<FaultyVfs*>(vfs->pAppData);
  const int rc = system_vfs()->xOpen(system_vfs(), path, opened->real(), flags, out_flags);
  opened->base.pMethods = opened->real()->pMethods != nullptr ? &kMethods : nullptr;
  return rc;
}

}  // namespace

FaultyVfs::FaultyVfs(std::string name)
    : name_(std::move(name)), vfs_(std::make_unique<sqlite3_vfs>(*system_vfs())) {
  vfs_->szOsFile += static_cast<int>(sizeof(File));
  vfs_->zName = name_.c_str();
  vfs_->pNext = nullptr;
  vfs_->pAppData = this;
  vfs_->xOpen = open_file;
  sqlite3_vfs_register(vfs_.get(), 0);
}

FaultyVfs::~FaultyVfs() { sqlite3_vfs_unregister(vfs_.get()); }

void FaultyVfs::fail(Operation operation, int nth, int code, int times) {
  Plan& plan = plans_[static_cast<int>(operation)];
  plan.seen = 0;
  plan.code = code;
  plan.last = nth + times - 1;
  plan.first = nth;
}

void FaultyVfs::clear() {
  for (Plan& plan : plans_) {
    plan.first = 0;
    plan.last = 0;
    plan.seen = 0;
  }
}

int FaultyVfs::count(Operation operation) const { return plans_[static_cast<int>(operation)].seen; }

int FaultyVfs::verdict(Operation operation) {
  Plan& plan = plans_[static_cast<int>(operation)];
  const int now = ++plan.seen;
  return plan.first > 0 && now >= plan.first && now <= plan.last ? plan.code.load() : SQLITE_OK;
}

}  // namespace oa::test
