#include "operator/options.h"

#include <array>
#include <cstdlib>
#include <iostream>
#include <regex>
#include <string_view>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "core/wire.h"
#include "libs/obs/build_info.h"

namespace oa::op {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "openagents-operator";
}

std::string check_namespace(const std::string& text) {
  if (std::regex_match(text, std::regex(std::string(wire::kNamespacePattern)))) return {};
  return "\"" + text + "\" must " + std::string(wire::kNamespaceMust);
}

// A flag whose text one of our own parsers reads.
template <typename T>
void add_parsed(CLI::App& app, const char* name, T& target, Result<T> (*parse)(std::string_view),
                const char* description) {
  app.add_option_function<std::string>(
      name,
      [&target, parse](const std::string& text) {
        const auto parsed = parse(text);
        if (!parsed) throw CLI::ValidationError(parsed.error().detail);
        target = *parsed;
      },
      description);
}

void add_flags(CLI::App& app, Options& options) {
  app.add_option("--namespaces", options.namespaces,
                 "Namespaces to work in, separated by commas; absent: all of them")
      ->delimiter(',')
      ->check(check_namespace);
  app.add_option("--runtime-image", options.runtime_image, "Image of agents whose spec names none")
      ->capture_default_str();
  app.add_option("--fs-group", options.fs_group,
                 "Group that may write an agent's disk; 0 leaves it to the platform (OpenShift)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--leader-elect", options.leader_elect,
               "Work only while holding the Lease openagents-operator");
  app.add_option("--lease-namespace", options.lease_namespace,
                 "Namespace of the Lease (default: POD_NAMESPACE)");
  app.add_option("--identity", options.identity,
                 "Name of this process in the Lease (default: POD_NAME, else the host)");
  app.add_option("--listen", options.listen, "Address of /healthz, /readyz and /metrics")
      ->capture_default_str();
  app.add_option("--kubeconfig", options.kubeconfig,
                 "kubeconfig file (default: KUBECONFIG, the pod's account, ~/.kube/config)");
  app.add_option("--workers", options.workers, "Agents reconciled at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--qps", options.qps, "Requests a second to the API server, sustained")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 10000.0));
  app.add_option("--burst", options.burst, "Requests to the API server at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  add_parsed(app, "--log-level", options.log_level, obs::parse_level,
             "debug, info, warn or error (default: info)");
  add_parsed(app, "--log-format", options.log_format, obs::parse_log_format,
             "json or text (default: json)");
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app("Turns Agent resources into pods with disks and addresses.", "openagents-operator");
  add_flags(app, options);
  app.set_version_flag("--version", obs::version_line("openagents-operator"));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return {std::nullopt, app.exit(e, std::cout, std::cerr) == 0 ? 0 : 2};
  }
  if (options.lease_namespace.empty()) options.lease_namespace = environment("POD_NAMESPACE");
  if (options.identity.empty()) options.identity = environment("POD_NAME");
  if (options.identity.empty()) options.identity = host_name() + "-" + std::to_string(getpid());
  if (options.leader_elect && options.lease_namespace.empty()) {
    std::cerr << "openagents-operator: --leader-elect needs --lease-namespace or POD_NAMESPACE\n";
    return {std::nullopt, 2};
  }
  return {options, 0};
}

}  // namespace oa::op
