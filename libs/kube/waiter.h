// Waiting as a parameter: back-off, leases and queues wait through this, so that tests do not.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <functional>
#include <stop_token>

#include "core/clock.h"

namespace oa::kube {

class Waiter {
 public:
  virtual ~Waiter() = default;
  // False if `stop` was raised before the time was over.
  virtual bool wait(Duration duration, std::stop_token stop) = 0;
};

class RealWaiter : public Waiter {
 public:
  bool wait(Duration duration, std::stop_token stop) override;
};

// A source of numbers in [0, 1) for jitter.
using Jitter = std::function<double()>;
Jitter random_jitter();  // thread-safe

}  // namespace oa::kube
