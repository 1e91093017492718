#include "runtime-pod/agent/gates.h"

#include <algorithm>
#include <string>
#include <utility>

namespace oa::runtime {

void InputGate::close(Reason reason, Error why) {
  const std::lock_guard lock(mutex_);
  reasons_[static_cast<std::size_t>(reason)] = std::move(why);
  shut_ = true;
}

void InputGate::open(Reason reason) {
  const std::lock_guard lock(mutex_);
  reasons_[static_cast<std::size_t>(reason)].reset();
  shut_ =
      std::any_of(reasons_.begin(), reasons_.end(), [](const auto& r) { return r.has_value(); });
}

std::optional<Error> InputGate::first_reason() const {
  if (!shut_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  for (const auto& why : reasons_) {
    if (why) return why;
  }
  return std::nullopt;
}

Result<void> InputGate::check() {
  auto why = first_reason();
  if (why && why->reason == "StorageFull" && look_at_disk_) {
    look_at_disk_();
    why = first_reason();
  }
  return why ? Result<void>(*why) : Result<void>();
}

Result<InputGate::Permit> InputGate::admit(std::size_t bytes) {
  if (auto open = check(); !open) return open.error();
  const std::size_t before = bytes_.fetch_add(bytes);
  Permit permit(*this, bytes);
  // One item may always pass, however large: bodies have a limit of their own.
  if (before > 0 && before + bytes > max_bytes_) {
    return make_error(Code::kRateLimited, "QueueFull",
                      "at most " + std::to_string(max_bytes_) +
                          " bytes of requests may wait in this runtime: try again later");
  }
  return permit;
}

}  // namespace oa::runtime
