// Counters, gauges and histograms in the Prometheus text format. A thin face on prometheus-cpp,
// which stays behind this header.
//
// Names end in a base unit (_seconds, _bytes) or _total. Labels are few and bounded; no metric has
// an agent's name as a label unless the user asked for it.
//
// Thread-safety: everything can be called from any thread. Handles stay valid as long as the
// registry.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace oa::obs {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name and labels always give the same object. A name must keep its kind and help.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                       std::vector<double> buckets = kLatencyBuckets);

  // Runs before each `text()`, one at a time: for gauges that are read rather than kept. A refresh
  // must not call `text` or `before_scrape`.
  void before_scrape(std::function<void()> refresh);

  // The exposition text, version 0.0.4.
  std::string text() const;

  static const std::vector<double> kLatencyBuckets;  // 0.5 ms to 60 s

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// openagents_build_info{version,commit} 1 and the process_* basics (resident memory, open files,
// start time).
void add_process_metrics(Metrics& metrics);

}  // namespace oa::obs
