// agent-runtime: the local daemon (`serve`) and the runtime of one agent in a pod (`pod`).
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <malloc.h>
#include <signal.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "libs/obs/build_info.h"
#include "libs/obs/log.h"
#include "libs/obs/system_clock.h"
#include "runtime-pod/audit/verify.h"
#include "runtime-pod/config.h"
#include "runtime-pod/runtime.h"
#include "runtime-pod/transfer/check.h"

namespace {

using namespace oa;
using namespace oa::runtime;

constexpr int kBadArguments = 2;

// What one subcommand was given.
struct Arguments {
  std::map<std::string, std::vector<std::string>, std::less<>> flags;
  std::string config_file;
};

void add_options(CLI::App& command, Mode mode, Arguments& arguments) {
  command.add_option("--config", arguments.config_file,
                     "a YAML file with the options below in camelCase [AGENT_CONFIG]");
  for (const Option& option : options()) {
    if (mode == Mode::kDaemon ? !option.in_daemon : !option.in_pod) continue;
    const std::string_view standard = default_value(option, mode);
    const std::string help = std::string(option.help) + " [" + environment_name(option) +
                             (standard.empty() ? "" : "; default " + std::string(standard)) + "]";
    const std::string flag = "--" + std::string(option.name);
    auto& values = arguments.flags[std::string(option.name)];
    if (option.kind == Option::Kind::kSwitch) {
      command.add_flag_callback(
          flag, [&values] { values = {"true"}; }, help);
    } else {
      auto* added = command.add_option(flag, values, help)->type_name("");
      added->expected(
          1, option.kind == Option::Kind::kList ? CLI::detail::expected_max_vector_size : 1);
      added->allow_extra_args(false);
      added->multi_option_policy(option.kind == Option::Kind::kList
                                     ? CLI::MultiOptionPolicy::TakeAll
                                     : CLI::MultiOptionPolicy::TakeLast);
    }
  }
}

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

Result<Config> read_config(Mode mode, const Arguments& arguments) {
  Given given{arguments.flags, environment};
  std::string path = arguments.config_file;
  if (path.empty()) path = environment("AGENT_CONFIG").value_or("");
  if (!path.empty()) {
    std::ifstream file(path);
    std::stringstream text;
    if (!file || !(text << file.rdbuf())) {
      return make_error(Code::kInvalidRequest, "cannot read the config file " + path);
    }
    auto parsed = parse_yaml(text.str());
    if (!parsed) return parsed.error();
    given.file = std::move(*parsed);
  }
  return make_config(mode, given);
}

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Whoever asks a second time does not want to wait.
void leave_at_once_on_next_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) { _exit(1); };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

int run(const Config& config) {
  const sigset_t signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // inherited by every thread
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is a failed write, not the end
  umask(S_IRWXG | S_IRWXO);
  mallopt(M_ARENA_MAX, 2);

  const obs::SystemClock clock;
  const obs::Logger log("runtime", {.level = config.log_level, .format = config.log_format}, clock);
  log.info("starting", {{"version", obs::kBuildInfo.version}, {"commit", obs::kBuildInfo.commit}});
  bool asked_to_stop = false;
  const auto pause = [&](std::chrono::milliseconds span) {
    const timespec time{span.count() / 1000, (span.count() % 1000) * 1'000'000};
    asked_to_stop = sigtimedwait(&signals, nullptr, &time) > 0;
    return !asked_to_stop;
  };
  auto started = Runtime::start(config, clock, log, pause);
  if (asked_to_stop) return 0;
  if (!started) {
    log.error("cannot start", {{"error", started.error()}});
    return exit_code(started.error());
  }
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  leave_at_once_on_next_signal();
  (*started)->drain();
  return 0;
}

void add_verify_options(CLI::App& command, VerifyOptions& options, std::string& agent,
                        std::string& archive) {
  auto* directory =
      command.add_option("--data-dir", options.directory, "a data directory; it may be in use");
  auto* file = command.add_option("--file", archive, "an export");
  command.add_option("--agent", agent, "only this agent: name, or namespace/name")
      ->needs(directory);
  file->excludes(directory);
  auto* head = command.add_option("--head", options.head_file,
                                  "a file with an answer of GET /audit/head to hold the log of "
                                  "the directory against");
  auto* key = command.add_option(
      "--key", options.key_file,
      "a file with the public key, as of GET /audit/key, that must have signed the head or export");
  head->needs(directory)->needs(key);
}

int verify(VerifyOptions options, const std::string& agent, const std::string& archive) {
  if (options.directory.empty() && archive.empty()) {
    std::cerr << "agent-runtime: verify must be given --data-dir or --file\n";
    return kBadArguments;
  }
  if (!archive.empty()) return verify_archive(archive, options.key_file, std::cout) ? 0 : 1;
  if (!agent.empty()) {
    const std::size_t slash = agent.find('/');
    auto id = slash == std::string::npos
                  ? make_agent_id("default", agent)
                  : make_agent_id(agent.substr(0, slash), agent.substr(slash + 1));
    if (!id) {
      std::cerr << "agent-runtime: " << id.error().detail << '\n';
      return kBadArguments;
    }
    options.agent = std::move(*id);
  }
  return verify_logs(options, std::cout) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Runs durable agents: as a local daemon, or one agent in a pod.", "agent-runtime");
  app.set_version_flag("--version", obs::version_line("agent-runtime"));
  app.set_help_flag();
  app.set_help_all_flag("-h,--help", "every option with its environment variable and default");
  app.require_subcommand(1);
  Arguments daemon;
  Arguments pod;
  CLI::App* serve_command =
      app.add_subcommand("serve", "Run any number of agents on this machine.");
  CLI::App* pod_command = app.add_subcommand("pod", "Run one agent in a pod.");
  add_options(*serve_command, Mode::kDaemon, daemon);
  add_options(*pod_command, Mode::kPod, pod);
  CLI::App* verify_command =
      app.add_subcommand("verify", "Check that audit logs are whole; 1 if one is not.");
  VerifyOptions verified;
  std::string verified_agent;
  std::string verified_archive;
  add_verify_options(*verify_command, verified, verified_agent, verified_archive);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return kBadArguments;
  }
  if (verify_command->parsed()) {
    return verify(std::move(verified), verified_agent, verified_archive);
  }
  const bool is_pod = pod_command->parsed();
  const auto config = read_config(is_pod ? Mode::kPod : Mode::kDaemon, is_pod ? pod : daemon);
  if (!config) {
    std::cerr << "agent-runtime: " << config.error().detail << '\n';
    return kBadArguments;
  }
  return run(*config);
}
