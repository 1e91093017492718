// Exponential back-off as a value.
//
// Thread-safety: plain values.
#pragma once

#include "core/clock.h"

namespace oa::kube {

struct BackoffPolicy {
  Duration first;
  Duration limit;
  double factor = 2;
  double jitter = 0;       // a delay d becomes d * (1 + jitter * random)
  Duration reset_after{};  // a failure this long after the last one counts as the first again;
                           // zero: never
};

class Backoff {
 public:
  explicit Backoff(BackoffPolicy policy) : policy_(policy) {}

  // The delay after one more failure at `now`; `random` in [0, 1).
  Duration next(Monotonic now, double random);
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  BackoffPolicy policy_;
  int failures_ = 0;
  Monotonic last_failure_{};
};

}  // namespace oa::kube
