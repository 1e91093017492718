// The runtime's metrics by name, so that no other file spells one.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "core/envelope.h"
#include "libs/obs/metrics.h"

namespace oa::runtime {

enum class TickEnd { kCommitted, kFailed, kRetried, kTimedOut };

class RuntimeMetrics {
 public:
  // `metrics` must outlive this.
  explicit RuntimeMetrics(obs::Metrics& metrics);

  // One attempt of a tick is over.
  void tick(TriggerType trigger, TickEnd end, Duration took);
  void commit(std::size_t changes, Duration took);
  // `route` is a template such as "/kv/{key}", never a raw path.
  void request(std::string_view route, int status, Duration took);

  void dead_letter(const std::string& reason);

  obs::Gauge& inbox_depth;
  obs::Gauge& sockets;
  obs::Counter& alarms_fired;
  obs::Counter& alarms_ran;
  obs::Histogram& alarm_lateness;
  obs::Gauge& database_bytes;
  obs::Gauge& log_bytes;

 private:
  static constexpr std::size_t kTriggers = 8;
  static constexpr std::size_t kEnds = 4;

  obs::Metrics& metrics_;
  obs::Histogram& commit_seconds_;
  obs::Histogram& commit_batch_;
  std::array<std::array<obs::Counter*, kEnds>, kTriggers> ticks_{};
  std::array<obs::Histogram*, kTriggers> tick_seconds_{};
  std::mutex mutex_;
  std::map<std::string, obs::Counter*, std::less<>> dead_letters_;              // by mutex_
  std::map<std::pair<std::string, int>, obs::Counter*, std::less<>> requests_;  // by mutex_
  std::map<std::string, obs::Histogram*, std::less<>> request_seconds_;         // by mutex_
};

}  // namespace oa::runtime
