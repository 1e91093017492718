// The input gate: whether new work is taken at all, and how many bytes of it may wait at once.
//
// The output gate has no object of its own: what an agent says leaves in the store's `OnCommit`,
// after its commit and in commit order (storage/writer.h).
//
// Thread-safety: can be used from any thread. A permit must not outlive its gate.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "core/result.h"

namespace oa::runtime {

class InputGate {
 public:
  // Each keeps the gate shut by itself; the first of them is what callers are told.
  enum class Reason { kStorageClosed, kDraining, kStorageFull, kLogFull, kStarting };

  // `look_at_disk` is called when somebody is refused because the disk was full, so that the gate
  // opens again once there is room, without a timer. It must not call `check` or `admit`.
  InputGate(std::size_t max_bytes, std::function<void()> look_at_disk)
      : max_bytes_(max_bytes), look_at_disk_(std::move(look_at_disk)) {}

  void close(Reason reason, Error why);
  void open(Reason reason);

  // The error that callers get, if the gate is shut.
  Result<void> check();

  // The right to hold so many bytes of input, given back with its destruction.
  class Permit {
   public:
    Permit(InputGate& gate, std::size_t bytes) : gate_(&gate), bytes_(bytes) {}
    Permit(Permit&& other) noexcept : gate_(other.gate_), bytes_(other.bytes_) {
      other.gate_ = nullptr;
    }
    Permit& operator=(Permit&& other) noexcept {
      std::swap(gate_, other.gate_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Permit() {
      if (gate_ != nullptr) gate_->bytes_ -= bytes_;
    }

   private:
    InputGate* gate_;
    std::size_t bytes_;
  };

  // RATE_LIMITED when too many bytes wait already.
  Result<Permit> admit(std::size_t bytes);

 private:
  std::optional<Error> first_reason() const;

  static constexpr std::size_t kReasons = 5;

  const std::size_t max_bytes_;
  const std::function<void()> look_at_disk_;
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> shut_{false};  // some reason holds: spares the lock on the common path
  mutable std::mutex mutex_;
  std::array<std::optional<Error>, kReasons> reasons_;  // by mutex_
};

}  // namespace oa::runtime
