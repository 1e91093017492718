// Shuts the input gate while the disk is nearly full. It looks when something is committed and when
// somebody is refused, so an idle process never wakes for it.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "core/clock.h"
#include "core/result.h"

namespace oa::runtime {

class DiskWatch {
 public:
  // `verdict` is called when it changes, and with every failure told to `full`. It begins as good.
  DiskWatch(std::string directory, const Clock& clock, std::function<void(Result<void>)> verdict);

  void look();

  // A write did not fit, whatever the file system says about its free space: for a second that is
  // believed rather than the file system.
  void full(const Error& why);

 private:
  const std::string directory_;
  const Clock& clock_;
  const std::function<void(Result<void>)> verdict_;
  std::atomic<bool> good_{true};  // the last verdict
  std::atomic<Monotonic> believe_write_until_{Monotonic::min()};
};

}  // namespace oa::runtime
