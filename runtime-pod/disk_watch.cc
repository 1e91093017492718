#include "runtime-pod/disk_watch.h"

#include <utility>

#include "runtime-pod/storage/space.h"

namespace oa::runtime {
namespace {

constexpr std::chrono::seconds kPause{1};

}  // namespace

DiskWatch::DiskWatch(std::string directory, const Clock& clock,
                     std::function<void(Result<void>)> verdict)
    : directory_(std::move(directory)), clock_(clock), verdict_(std::move(verdict)) {}

void DiskWatch::look() {
  const Monotonic now = clock_.monotonic();
  Monotonic next = next_look_;
  if (now < next || !next_look_.compare_exchange_strong(next, now + kPause)) return;
  const auto space = read_space(directory_);
  // A file system that cannot tell its space is found out by its writes.
  verdict_(space ? check_space(*space) : Result<void>());
}

void DiskWatch::full(const Error& why) {
  next_look_ = clock_.monotonic() + kPause;
  verdict_(why);
}

}  // namespace oa::runtime
