#include "runtime-pod/disk_watch.h"

#include <utility>

#include "runtime-pod/storage/space.h"

namespace oa::runtime {
namespace {

constexpr std::chrono::seconds kBelieveWrite{1};

}  // namespace

DiskWatch::DiskWatch(std::string directory, const Clock& clock,
                     std::function<void(Result<void>)> verdict)
    : directory_(std::move(directory)), clock_(clock), verdict_(std::move(verdict)) {}

void DiskWatch::look() {
  if (!good_ && clock_.monotonic() < believe_write_until_.load()) return;
  const auto space = read_space(directory_);
  // A file system that cannot tell its space is found out by its writes.
  const auto verdict = space ? check_space(*space) : Result<void>();
  if (good_.exchange(verdict.ok()) != verdict.ok()) verdict_(verdict);
}

void DiskWatch::full(const Error& why) {
  believe_write_until_ = clock_.monotonic() + kBelieveWrite;
  good_ = false;
  verdict_(why);
}

}  // namespace oa::runtime
