// What the process is told: flags win over the environment, that over the config file, that over
// defaults. One table (config.cc) has every option with its help.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/http/routes.h"

namespace oa::runtime {

struct Config {
  Mode mode = Mode::kDaemon;
  std::string listen;
  std::string admin_listen;
  std::string grpc_listen;  // empty: not at all
  std::string context_listen;
  std::string data_dir;
  std::string secrets_dir;  // <name>/<key> below it is the value of a secret
  bool allow_network_file_system = false;
  Duration lock_wait{};
  Duration run_timeout{};
  Duration drain_timeout{};  // of the daemon; a pod has its agent's
  std::size_t queue_bytes = 0;
  std::size_t body_bytes = 0;
  std::size_t awake_bytes = 0;
  std::size_t connections = 0;
  int io_threads = 0;
  int workers = 0;
  obs::Level log_level = obs::Level::kInfo;
  obs::LogFormat log_format = obs::LogFormat::kJson;
  // Of the daemon.
  std::vector<std::string> agents;  // manifest files that are applied at start
  std::vector<std::string> allowed_hosts;
  // Of a pod.
  AgentId agent;
  std::string uid;
  std::string spec_file;
};

// One setting: `--admin-listen`, `AGENT_ADMIN_LISTEN`, and `adminListen` in the file.
struct Option {
  enum class Kind { kText, kList, kSwitch, kDuration, kBytes, kCount, kLevel, kFormat };
  std::string_view name;
  Kind kind;
  std::string_view daemon_default;
  std::string_view pod_default;
  bool in_daemon;
  bool in_pod;
  std::string_view help;
};

const std::vector<Option>& options();
std::string environment_name(const Option& option);
std::string file_key(const Option& option);
std::string_view default_value(const Option& option, Mode mode);

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// What was given, before it is read.
struct Given {
  std::map<std::string, std::vector<std::string>, std::less<>> flags;  // by option name
  Environment environment;
  Json file = Json::object();
};

// INVALID_REQUEST names the option where it was given, its value, and what must hold.
Result<Config> make_config(Mode mode, const Given& given);

}  // namespace oa::runtime
