#include "libs/kube/backoff.h"

#include <algorithm>
#include <cmath>

namespace oa::kube {

Duration Backoff::next(Monotonic now, double random) {
  if (failures_ > 0 && policy_.reset_after > Duration::zero() &&
      now - last_failure_ >= policy_.reset_after) {
    failures_ = 0;
  }
  last_failure_ = now;
  // 60 doublings exceed every limit, and stay finite.
  const double scale = std::pow(policy_.factor, std::min(failures_, 60));
  ++failures_;
  const double base = std::min(static_cast<double>(policy_.first.count()) * scale,
                               static_cast<double>(policy_.limit.count()));
  return Duration(static_cast<Duration::rep>(base * (1 + policy_.jitter * random)));
}

}  // namespace oa::kube
