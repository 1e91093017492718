#include "libs/obs/metrics.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/obs/build_info.h"

namespace oa::obs {
namespace {

using testing::HasSubstr;
using testing::Not;

// The value of a series without labels, or -1 if it is not in the text.
double value_of(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 2);
}

TEST(Metrics, counts_by_labels) {
  Metrics metrics;
  metrics.counter("openagents_ticks_total", "Ticks.", {{"trigger", "Request"}}).add();
  metrics.counter("openagents_ticks_total", "Ticks.", {{"trigger", "Request"}}).add(2);
  metrics.counter("openagents_ticks_total", "Ticks.", {{"trigger", "Alarm"}}).add();
  EXPECT_THAT(metrics.text(), HasSubstr("# HELP openagents_ticks_total Ticks.\n"
                                        "# TYPE openagents_ticks_total counter\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("openagents_ticks_total{trigger=\"Request\"} 3\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("openagents_ticks_total{trigger=\"Alarm\"} 1\n"));
}

TEST(Metrics, gives_the_same_object_for_the_same_name_and_labels) {
  Metrics metrics;
  EXPECT_EQ(&metrics.gauge("a", "A.", {{"k", "v"}}), &metrics.gauge("a", "A.", {{"k", "v"}}));
  EXPECT_NE(&metrics.gauge("a", "A.", {{"k", "v"}}), &metrics.gauge("a", "A.", {{"k", "w"}}));
  EXPECT_EQ(&metrics.counter("b_total", "B."), &metrics.counter("b_total", "B."));
  EXPECT_EQ(&metrics.histogram("c_seconds", "C."), &metrics.histogram("c_seconds", "C."));
}

TEST(Metrics, sets_and_moves_gauges) {
  Metrics metrics;
  Gauge& gauge = metrics.gauge("openagents_sockets", "Open sockets.");
  gauge.set(5);
  gauge.add(-2);
  EXPECT_THAT(metrics.text(), HasSubstr("\nopenagents_sockets 3\n"));
}

TEST(Metrics, sorts_observations_into_latency_buckets) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("tick_seconds", "Tick.");
  histogram.observe(0.0004);
  histogram.observe(0.3);
  histogram.observe(100);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("tick_seconds_bucket{le=\"0.0005\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tick_seconds_bucket{le=\"0.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("tick_seconds_bucket{le=\"60\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("tick_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("tick_seconds_count 3\n"));
}

TEST(Metrics, escapes_label_values) {
  Metrics metrics;
  metrics.gauge("a", "A.", {{"k", "say \"hi\"\n\\"}}).set(1);
  EXPECT_THAT(metrics.text(), HasSubstr("a{k=\"say \\\"hi\\\"\\n\\\\\"} 1\n"));
}

TEST(Metrics, refreshes_before_each_scrape) {
  Metrics metrics;
  Gauge& gauge = metrics.gauge("depth", "Depth.");
  metrics.before_scrape([&gauge, scrapes = 0]() mutable { gauge.set(++scrapes); });
  EXPECT_EQ(value_of(metrics.text(), "depth"), 1);
  EXPECT_EQ(value_of(metrics.text(), "depth"), 2);
}

TEST(Metrics, can_be_used_by_many_threads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int i = 0; i < 200; ++i) {
        metrics.counter("n_total", "N.", {{"thread", std::to_string((t + i) % 4)}}).add();
        if (i % 50 == 0) metrics.text();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < 4; ++t) {
    EXPECT_THAT(metrics.text(), HasSubstr("n_total{thread=\"" + std::to_string(t) + "\"} 200\n"));
  }
}

TEST(MetricsDeathTest, a_name_keeps_its_kind_help_and_buckets) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Metrics metrics;
  metrics.counter("n_total", "N.");
  metrics.histogram("h_seconds", "H.");
  EXPECT_DEATH(metrics.gauge("n_total", "N."), "n_total is a counter and cannot be a gauge");
  EXPECT_DEATH(metrics.counter("n_total", "M."), "n_total has a second help text: M.");
  EXPECT_DEATH(metrics.histogram("h_seconds", "H.", {}, {1, 2}), "h_seconds has other buckets");
  EXPECT_DEATH(metrics.counter("no spaces", "N."), "metric no spaces is refused");
}

TEST(ProcessMetrics, tell_the_build_and_the_basics) {
  Metrics metrics;
  add_process_metrics(metrics);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr(std::string("openagents_build_info{commit=\"") + kBuildInfo.commit +
                              "\",version=\"" + kBuildInfo.version + "\"} 1\n"));
  EXPECT_GT(value_of(text, "process_resident_memory_bytes"), 100'000);
  EXPECT_GE(value_of(text, "process_virtual_memory_bytes"),
            value_of(text, "process_resident_memory_bytes"));
  EXPECT_GE(value_of(text, "process_open_fds"), 1);
  const double start = value_of(text, "process_start_time_seconds");
  EXPECT_GT(start, 1.6e9);
  EXPECT_LE(start, static_cast<double>(std::time(nullptr)) + 1);
  EXPECT_THAT(text, HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
}

TEST(ProcessMetrics, count_processor_time_upwards) {
  Metrics metrics;
  add_process_metrics(metrics);
  double before = value_of(metrics.text(), "process_cpu_seconds_total");
  for (int i = 0; i < 20; ++i) {
    const double now = value_of(metrics.text(), "process_cpu_seconds_total");
    EXPECT_GE(now, before);
    before = now;
  }
  EXPECT_GT(before, 0);
  EXPECT_LT(before, 3600);
}

}  // namespace
}  // namespace oa::obs
