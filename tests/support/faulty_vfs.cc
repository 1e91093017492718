#include "tests/support/faulty_vfs.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <sqlite3.h>

namespace oa::test {
namespace {

// SQLite allocates `szOsFile` bytes for a file: this, then the real file.
struct File {
  sqlite3_file base;
  FaultyVfs* owner;
  const char* path;  // SQLite keeps it as long as the file is open; null: a temporary file

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* self(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
const sqlite3_io_methods* real_methods(sqlite3_file* file) { return self(file)->real()->pMethods; }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }

int close_file(sqlite3_file* f) { return real_methods(f)->xClose(self(f)->real()); }
int read_file(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  return real_methods(f)->xRead(self(f)->real(), to, size, at);
}
std::int64_t size_of(sqlite3_file* f) {
  sqlite3_int64 size = 0;
  real_methods(f)->xFileSize(self(f)->real(), &size);
  return size;
}

// What the file has from `at` on, as far as it goes.
std::string content(sqlite3_file* f, std::int64_t at, std::int64_t bytes) {
  const std::int64_t there = std::clamp<std::int64_t>(size_of(f) - at, 0, bytes);
  std::string text(static_cast<std::size_t>(there), 0);
  if (there > 0) real_methods(f)->xRead(self(f)->real(), text.data(), static_cast<int>(there), at);
  return text;
}

int write_file(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  FaultyVfs* const owner = self(f)->owner;
  int rc = owner->verdict(FaultyVfs::Operation::kWrite);
  if (rc == SQLITE_OK) rc = owner->verdict_on_growth(at + size - size_of(f));
  if (rc != SQLITE_OK) return rc;
  if (owner->keeps_steps() && self(f)->path != nullptr) {
    owner->add_step(self(f)->path, {at, std::string(static_cast<const char*>(from), size),
                                    content(f, at, size), size_of(f)});
  }
  return real_methods(f)->xWrite(self(f)->real(), from, size, at);
}
int truncate_file(sqlite3_file* f, sqlite3_int64 size) {
  FaultyVfs* const owner = self(f)->owner;
  if (!owner->has_power()) return SQLITE_IOERR_TRUNCATE;
  if (owner->keeps_steps() && self(f)->path != nullptr && size < size_of(f)) {
    owner->add_step(self(f)->path, {size, "", content(f, size, size_of(f) - size), size_of(f)});
  }
  return real_methods(f)->xTruncate(self(f)->real(), size);
}
int sync_file(sqlite3_file* f, int flags) {
  FaultyVfs* const owner = self(f)->owner;
  const int rc = owner->verdict(FaultyVfs::Operation::kSync);
  if (rc != SQLITE_OK) return rc;
  if (!owner->keeps_steps()) return real_methods(f)->xSync(self(f)->real(), flags);
  if (self(f)->path != nullptr) owner->forget_steps(self(f)->path);
  return SQLITE_OK;
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
  opened->path = path;
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
  if (keeps_steps_ && (is_dark_ || --until_dark_ <= 0)) {
    is_dark_ = true;
    return operation == Operation::kWrite ? SQLITE_IOERR_WRITE : SQLITE_IOERR_FSYNC;
  }
  Plan& plan = plans_[static_cast<int>(operation)];
  const int now = ++plan.seen;
  return plan.first > 0 && now >= plan.first && now <= plan.last ? plan.code.load() : SQLITE_OK;
}

void FaultyVfs::set_room(std::optional<std::int64_t> bytes) { room_ = bytes.value_or(-1); }

void FaultyVfs::add_room(std::int64_t bytes) { room_ += bytes; }

int FaultyVfs::verdict_on_growth(std::int64_t bytes) {
  if (bytes <= 0 || room_ < 0) return SQLITE_OK;
  if (room_ < bytes) return SQLITE_FULL;
  room_ -= bytes;
  return SQLITE_OK;
}

void FaultyVfs::lose_power_at(int nth) {
  keeps_steps_ = true;
  until_dark_ = nth;
  is_dark_ = false;
}

void FaultyVfs::add_step(const std::string& path, Step step) {
  const std::lock_guard lock(mutex_);
  steps_[path].push_back(std::move(step));
}

void FaultyVfs::forget_steps(const std::string& path) {
  const std::lock_guard lock(mutex_);
  steps_.erase(path);
}

void FaultyVfs::lose_unsynced(std::mt19937_64& random) {
  for (const auto& [path, steps] : steps_) {
    const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) continue;
    const auto write = [file](std::int64_t at, std::string_view bytes) {
      if (pwrite(file, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
        std::abort();
      }
    };
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      write(step->at, step->before);
      if (ftruncate(file, step->size_before) != 0) std::abort();
    }
    // A disk may write in any order: the first ones, the last ones, or any.
    const std::uint64_t manner = random() % 4;
    const std::size_t cut = random() % (steps.size() + 1);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const bool is_kept = manner == 1   ? i < cut
                           : manner == 2 ? i >= cut
                                         : manner == 3 && random() % 2;
      if (!is_kept) continue;
      if (steps[i].bytes.empty()) {
        if (ftruncate(file, steps[i].at) != 0) std::abort();
        continue;
      }
      // Sectors are written whole, or not.
      constexpr std::uint64_t kSector = 512;
      const std::string_view bytes = steps[i].bytes;
      const bool is_torn = i + 1 == steps.size() || manner == 3;
      const std::uint64_t kept =
          is_torn ? kSector * (random() % (bytes.size() / kSector + 2)) : bytes.size();
      write(steps[i].at, bytes.substr(0, kept));
    }
    close(file);
  }
  steps_.clear();
  keeps_steps_ = false;
  is_dark_ = false;
}

}  // namespace oa::test
