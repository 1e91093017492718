#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

#include "libs/obs/build_info.h"
#include "libs/obs/metrics.h"

namespace oa::obs {
namespace {

struct Memory {
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

Memory read_memory() {
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {static_cast<double>(size) * page, static_cast<double>(resident) * page};
}

double count_open_files() {
  std::error_code failed;
  const std::filesystem::directory_iterator files("/proc/self/fd", failed);
  if (failed) return 0;
  return static_cast<double>(std::distance(begin(files), end(files)) -
                             1);  // less the listing's own
}

double read_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// proc(5): the kernel's boot time plus field 22 of /proc/self/stat, which counts clock ticks since
// then.
double read_start_time() {
  double boot = 0;
  std::ifstream stat("/proc/stat");
  for (std::string line; std::getline(stat, line);) {
    if (line.starts_with("btime ")) boot = std::stod(line.substr(6));
  }
  std::string self;
  std::getline(std::ifstream("/proc/self/stat"), self);
  // The second field is the program's name in parentheses and may hold spaces: count from its end.
  std::istringstream fields(self.substr(self.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  const double ticks = field.empty() ? 0 : std::stod(field);
  return boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void add_process_metrics(Metrics& metrics) {
  metrics
      .gauge("openagents_build_info", "The build that runs; always 1.",
             {{"version", kBuildInfo.version}, {"commit", kBuildInfo.commit}})
      .set(1);
  metrics
      .gauge("process_start_time_seconds", "Start of the process since the Unix epoch in seconds.")
      .set(read_start_time());
  Gauge& resident = metrics.gauge("process_resident_memory_bytes", "Resident memory in bytes.");
  Gauge& virtual_memory = metrics.gauge("process_virtual_memory_bytes", "Virtual memory in bytes.");
  Gauge& files = metrics.gauge("process_open_fds", "Open file descriptors.");
  Counter& cpu = metrics.counter("process_cpu_seconds_total",
                                 "User and system processor time spent in seconds.");
  metrics.before_scrape([&, counted = 0.0]() mutable {
    const Memory memory = read_memory();
    resident.set(memory.resident_bytes);
    virtual_memory.set(memory.virtual_bytes);
    files.set(count_open_files());
    const double spent = read_cpu_seconds();
    cpu.add(spent - counted);
    counted = spent;
  });
}

}  // namespace oa::obs
