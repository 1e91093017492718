#include "runtime-pod/ids.h"

#include <cstdio>

namespace oa::runtime {

Ids::Ids() {
  std::random_device entropy;
  std::seed_seq seed{entropy(), entropy(), entropy(), entropy(),
                     entropy(), entropy(), entropy(), entropy()};
  random_.seed(seed);
}

std::uint64_t Ids::next() {
  const std::lock_guard lock(mutex_);
  return random_();
}

std::string Ids::uuid(Time now) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
  const auto millis = static_cast<unsigned long long>(since.count());
  const unsigned long long a = next();
  const unsigned long long b = next();
  char text[40];
  std::snprintf(text, sizeof text, "%08llx-%04llx-7%03llx-%04llx-%012llx",
                (millis >> 16) & 0xffffffffULL, millis & 0xffffULL, a & 0xfffULL,
                0x8000ULL | ((a >> 12) & 0x3fffULL), b & 0xffffffffffffULL);
  return text;
}

std::string Ids::trace_id() {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(next() | 1),
                static_cast<unsigned long long>(next()));
  return text;
}

double Ids::unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

}  // namespace oa::runtime
