#include "libs/kube/exec_plugin.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "libs/kube/material.h"

extern char** environ;  // NOLINT: POSIX

namespace oa::kube {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxOutput = 1 << 20;
constexpr auto kTimeLimit = std::chrono::seconds(60);

Error failed(const std::string& what) {
  return make_error(Code::kUnauthenticated, "PluginFailed", "credential plugin: " + what);
}

std::string text(const Json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// Our environment with `config.env` and the plugin's input over it, as NAME=value.
std::vector<std::string> environment_for(const ExecConfig& config, const std::string& info) {
  std::map<std::string, std::string> values;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view line(*entry);
    const std::size_t equals = line.find('=');
    if (equals != std::string_view::npos)
      values[std::string(line.substr(0, equals))] = line.substr(equals + 1);
  }
  for (const auto& [name, value] : config.env) values[name] = value;
  values["KUBERNETES_EXEC_INFO"] = info;
  std::vector<std::string> lines;
  for (const auto& [name, value] : values) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// A running program whose standard output is `output`; killed if it is still there at the end.
struct Child {
  pid_t pid = -1;
  int output = -1;

  ~Child() {
    if (output >= 0) close(output);
    if (pid > 0) {
      kill(pid, SIGKILL);
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  // The exit status; 128 + the signal that ended it.
  int wait() {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

int spawn(const ExecConfig& config, const std::string& info, Child& child) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return errno;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  std::vector<std::string> arguments{config.command};
  arguments.insert(arguments.end(), config.args.begin(), config.args.end());
  std::vector<std::string> variables = environment_for(config, info);
  const int error = posix_spawnp(&child.pid, config.command.c_str(), &actions, nullptr,
                                 pointers(arguments).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  child.output = ends[0];
  if (error != 0) child.pid = -1;
  return error;
}

}  // namespace

std::string exec_info(const ExecConfig& config, const ClusterInfo& cluster) {
  Json spec{{"interactive", false}};
  if (config.provide_cluster_info) {
    spec["cluster"] = {{"server", cluster.server}};
    if (!cluster.tls.server_name.empty())
      spec["cluster"]["tls-server-name"] = cluster.tls.server_name;
    if (cluster.tls.insecure_skip_verify) spec["cluster"]["insecure-skip-tls-verify"] = true;
    std::string ca = cluster.tls.ca_data;
    if (ca.empty() && !cluster.tls.ca_file.empty()) {
      if (Result<std::string> file = read_file(cluster.tls.ca_file)) ca = std::move(*file);
    }
    if (!ca.empty()) spec["cluster"]["certificate-authority-data"] = crypto::base64_encode(ca);
    if (!cluster.proxy_url.empty()) spec["cluster"]["proxy-url"] = cluster.proxy_url;
  }
  return Json{{"apiVersion", config.api_version}, {"kind", "ExecCredential"}, {"spec", spec}}
      .dump();
}

Result<ExecCredential> parse_exec_credential(std::string_view output,
                                             std::string_view api_version) {
  const Json document = Json::parse(output, nullptr, false);
  if (!document.is_object() || text(document, "kind") != "ExecCredential") {
    return failed("its output must be a JSON ExecCredential");
  }
  if (text(document, "apiVersion") != api_version) {
    return failed("its output has apiVersion \"" + text(document, "apiVersion") +
                  "\" but must have " + std::string(api_version));
  }
  const auto status = document.find("status");
  if (status == document.end() || !status->is_object())
    return failed("its output must have a status");
  ExecCredential credential;
  credential.token = text(*status, "token");
  ClientIdentity identity{text(*status, "clientCertificateData"), text(*status, "clientKeyData")};
  if (identity.certificate.empty() != identity.key.empty()) {
    return failed("clientCertificateData and clientKeyData must come together");
  }
  if (!identity.key.empty()) credential.identity = std::move(identity);
  if (credential.token.empty() && !credential.identity)
    return failed("its output must have a token or a certificate");
  if (const std::string expires = text(*status, "expirationTimestamp"); !expires.empty()) {
    const Result<Time> time = parse_time(expires);
    if (!time) return failed("expirationTimestamp: " + time.error().detail);
    credential.expires = *time;
  }
  return credential;
}

Result<std::string> run_plugin(const ExecConfig& config, const std::string& info,
                               std::stop_token stop) {
  Child child;
  if (const int error = spawn(config, info, child); error != 0) {
    std::string detail = config.command + " cannot be run: " + std::strerror(error);
    if (!config.install_hint.empty()) detail += ". " + config.install_hint;
    return failed(detail);
  }
  std::string output;
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  while (true) {
    if (stop.stop_requested()) return failed("cancelled");
    if (std::chrono::steady_clock::now() > deadline)
      return failed(config.command + " did not end within a minute");
    pollfd ready{child.output, POLLIN, 0};
    // In slices, so that a stop is seen.
    if (poll(&ready, 1, 100) <= 0) continue;
    std::array<char, 4096> chunk{};
    const ssize_t size = read(child.output, chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    output.append(chunk.data(), static_cast<std::size_t>(size));
    if (output.size() > kMaxOutput) return failed(config.command + " printed more than 1 MiB");
  }
  if (const int status = child.wait(); status != 0) {
    std::string detail = config.command + " exited with status " + std::to_string(status);
    if (!config.install_hint.empty()) detail += ". " + config.install_hint;
    return failed(detail);
  }
  return output;
}

}  // namespace oa::kube
