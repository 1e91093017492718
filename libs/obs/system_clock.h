// The machine's clocks. Made once in `main` and handed down as `Clock&`.
//
// Thread-safety: can be called from any thread.
#pragma once

#include "core/clock.h"

namespace oa::obs {

class SystemClock : public Clock {
 public:
  Time now() const override;
  Monotonic monotonic() const override;
};

}  // namespace oa::obs
