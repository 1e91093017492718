// Identifiers that are never given twice, and random numbers for jitter.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <random>
#include <string>

#include "core/clock.h"

namespace oa::runtime {

class Ids {
 public:
  // Seeded from the system's entropy.
  Ids();
  explicit Ids(std::uint64_t seed) : random_(seed) {}

  // A UUID of version 7 (RFC 9562): sorts by time.
  std::string uuid(Time now);
  // 32 lower-case hex digits, not all zero: a W3C trace id.
  std::string trace_id();
  // In [0, 1).
  double unit();

 private:
  std::uint64_t next();

  std::mutex mutex_;
  std::mt19937_64 random_;  // by mutex_
};

}  // namespace oa::runtime
