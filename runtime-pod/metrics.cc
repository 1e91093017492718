#include "runtime-pod/metrics.h"

namespace oa::runtime {
namespace {

double seconds(Duration span) { return static_cast<double>(span.count()) / 1e6; }

constexpr std::array<const char*, 4> kEndNames = {"committed", "failed", "retried", "timed_out"};
constexpr std::array kServed = {
    TriggerType::kInitialize, TriggerType::kRequest, TriggerType::kMessage, TriggerType::kAlarm,
    TriggerType::kJob,        TriggerType::kEvent,   TriggerType::kSocket,  TriggerType::kManual};

constexpr const char* kStorageHelp = "Bytes on disk, by kind.";

}  // namespace

RuntimeMetrics::RuntimeMetrics(obs::Metrics& metrics)
    : inbox_depth(metrics.gauge("openagents_inbox_depth", "Accepted items that wait or run.")),
      sockets(metrics.gauge("openagents_sockets", "Open WebSockets.")),
      alarms_fired(metrics.counter("openagents_alarms_fired_total",
                                   "Alarms and schedules whose time had come.")),
      alarms_ran(metrics.counter("openagents_alarms_ran_total",
                                 "Alarms and schedules whose tick was committed.")),
      alarm_lateness(metrics.histogram("openagents_alarm_lateness_seconds",
                                       "Time from when an alarm was due to when it fired.")),
      database_bytes(
          metrics.gauge("openagents_storage_bytes", kStorageHelp, {{"kind", "database"}})),
      log_bytes(
          metrics.gauge("openagents_storage_bytes", kStorageHelp, {{"kind", "write_ahead_log"}})),
      metrics_(metrics),
      commit_seconds_(metrics.histogram("openagents_commit_duration_seconds",
                                        "Time of one transaction, with its sync.")),
      commit_batch_(metrics.histogram("openagents_commit_batch_ticks",
                                      "Changes committed by one transaction.", {},
                                      {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})) {
  for (const TriggerType trigger : kServed) {
    const std::string name(trigger_name(trigger));
    const auto index = static_cast<std::size_t>(trigger);
    for (std::size_t end = 0; end < kEnds; ++end) {
      ticks_[index][end] = &metrics.counter("openagents_ticks_total", "Attempts of ticks.",
                                            {{"trigger", name}, {"outcome", kEndNames[end]}});
    }
    tick_seconds_[index] = &metrics.histogram(
        "openagents_tick_duration_seconds",
        "Time of one attempt, from the handler's start to its commit.", {{"trigger", name}});
  }
}

void RuntimeMetrics::tick(TriggerType trigger, TickEnd end, Duration took) {
  const auto index = static_cast<std::size_t>(trigger);
  ticks_[index][static_cast<std::size_t>(end)]->add();
  tick_seconds_[index]->observe(seconds(took));
}

void RuntimeMetrics::commit(std::size_t changes, Duration took) {
  commit_seconds_.observe(seconds(took));
  commit_batch_.observe(static_cast<double>(changes));
}

void RuntimeMetrics::dead_letter(const std::string& reason) {
  obs::Counter* counter = nullptr;
  {
    const std::lock_guard lock(mutex_);
    auto& found = dead_letters_[reason];
    if (found == nullptr) {
      found = &metrics_.counter("openagents_dead_letters_total",
                                "Envelopes that were given up, and kept.", {{"reason", reason}});
    }
    counter = found;
  }
  counter->add();
}

void RuntimeMetrics::request(std::string_view route, int status, Duration took) {
  const std::string name(route);
  obs::Counter* counter = nullptr;
  obs::Histogram* histogram = nullptr;
  {
    const std::lock_guard lock(mutex_);
    auto& found = requests_[{name, status}];
    if (found == nullptr) {
      found = &metrics_.counter("openagents_http_requests_total", "Answered requests.",
                                {{"route", name}, {"code", std::to_string(status)}});
    }
    auto& timed = request_seconds_[name];
    if (timed == nullptr) {
      timed =
          &metrics_.histogram("openagents_http_request_duration_seconds",
                              "Time from a request's arrival to its answer.", {{"route", name}});
    }
    counter = found;
    histogram = timed;
  }
  counter->add();
  histogram->observe(seconds(took));
}

}  // namespace oa::runtime
