// The operator's command line.
//
// Thread-safety: pure but for printing help and version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/obs/log.h"

namespace oa::op {

struct Options {
  std::vector<std::string> namespaces;  // empty: the whole cluster
  std::string runtime_image = "openagents/agent-runtime:latest";
  std::int64_t fs_group = 65532;  // 0: leave it to the platform
  bool leader_elect = false;
  std::string lease_namespace;  // default: POD_NAMESPACE
  std::string identity;         // default: POD_NAME, else the host's name
  std::string listen = ":9464";
  std::string kubeconfig;
  int workers = 2;
  double qps = 100;
  int burst = 200;
  obs::Level log_level = obs::Level::kInfo;
  obs::LogFormat log_format = obs::LogFormat::kJson;
};

// Options to run with, or the exit code after --help (0), --version (0) or a mistake (2), already
// printed.
struct ParsedOptions {
  std::optional<Options> options;
  int exit_code = 0;
};
ParsedOptions parse_options(int argc, const char* const* argv);

}  // namespace oa::op
