#include "libs/obs/metrics.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace oa::obs {
namespace {

class CounterHandle final : public Counter {
 public:
  explicit CounterHandle(prometheus::Counter& counter) : counter_(counter) {}
  void add(double amount) override { counter_.Increment(amount); }

 private:
  prometheus::Counter& counter_;
};

class GaugeHandle final : public Gauge {
 public:
  explicit GaugeHandle(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void set(double value) override { gauge_.Set(value); }
  void add(double amount) override { gauge_.Increment(amount); }

 private:
  prometheus::Gauge& gauge_;
};

class HistogramHandle final : public Histogram {
 public:
  explicit HistogramHandle(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

[[noreturn]] void misused(const std::string& name, const std::string& why) {
  std::fprintf(stderr, "metric %s %s\n", name.c_str(), why.c_str());
  std::abort();
}

// What a name was first used with; every later use must agree.
struct Declaration {
  std::string kind;
  std::string help;
  std::vector<double> buckets;
};

template <typename Theirs, typename Handle>
struct Families {
  struct Family {
    prometheus::Family<Theirs>* theirs;
    std::map<Labels, std::unique_ptr<Handle>> handles;
  };
  std::map<std::string, Family> by_name;
};

}  // namespace

const std::vector<double> Metrics::kLatencyBuckets{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

struct Metrics::Impl {
  template <typename Build, typename Theirs, typename Handle, typename... Args>
  Handle& find_or_add(Build build, Families<Theirs, Handle>& families, const std::string& name,
                      Declaration declaration, const Labels& labels, const Args&... args);
  void check(const std::string& name, Declaration declaration);

  std::mutex mutex;  // guards the declarations and families; never held while a refresh runs
  prometheus::Registry registry;
  std::map<std::string, Declaration> declarations;
  Families<prometheus::Counter, CounterHandle> counters;
  Families<prometheus::Gauge, GaugeHandle> gauges;
  Families<prometheus::Histogram, HistogramHandle> histograms;

  std::mutex
      scrape_mutex;  // guards the refreshers: one scrape at a time, so that they may keep state
  std::vector<std::function<void()>> refreshers;
};

void Metrics::Impl::check(const std::string& name, Declaration declaration) {
  const auto [it, added] = declarations.try_emplace(name, declaration);
  if (added) return;
  const Declaration& first = it->second;
  if (first.kind != declaration.kind) {
    misused(name, "is a " + first.kind + " and cannot be a " + declaration.kind);
  }
  if (first.help != declaration.help) misused(name, "has a second help text: " + declaration.help);
  if (first.buckets != declaration.buckets) misused(name, "has other buckets elsewhere");
}

template <typename Build, typename Theirs, typename Handle, typename... Args>
Handle& Metrics::Impl::find_or_add(Build build, Families<Theirs, Handle>& families,
                                   const std::string& name, Declaration declaration,
                                   const Labels& labels, const Args&... args) {
  std::lock_guard lock(mutex);
  const std::string help = declaration.help;
  check(name, std::move(declaration));
  try {
    auto it = families.by_name.find(name);
    if (it == families.by_name.end()) {
      auto& theirs = build().Name(name).Help(help).Register(registry);
      it = families.by_name.emplace(name, typename Families<Theirs, Handle>::Family{&theirs, {}})
               .first;
    }
    std::unique_ptr<Handle>& handle = it->second.handles[labels];
    if (!handle) handle = std::make_unique<Handle>(it->second.theirs->Add(labels, args...));
    return *handle;
  } catch (const std::exception& e) {
    misused(name, std::string("is refused by the metrics library: ") + e.what());
  }
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return impl_->find_or_add(prometheus::BuildCounter, impl_->counters, name, {"counter", help, {}},
                            labels);
}

Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return impl_->find_or_add(prometheus::BuildGauge, impl_->gauges, name, {"gauge", help, {}},
                            labels);
}

Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                              const Labels& labels, std::vector<double> buckets) {
  return impl_->find_or_add(prometheus::BuildHistogram, impl_->histograms, name,
                            {"histogram", help, buckets}, labels, buckets);
}

void Metrics::before_scrape(std::function<void()> refresh) {
  std::lock_guard lock(impl_->scrape_mutex);
  impl_->refreshers.push_back(std::move(refresh));
}

std::string Metrics::text() const {
  std::lock_guard lock(impl_->scrape_mutex);
  for (const auto& refresh : impl_->refreshers) refresh();
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace oa::obs
