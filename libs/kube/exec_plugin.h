// Credential plugins: programs named in a kubeconfig that print an ExecCredential
// (client.authentication.k8s.io).
//
// Thread-safety: pure functions, but for `run_plugin`, which may run in several threads at once.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"
#include "libs/kube/config.h"
#include "libs/kube/transport.h"

namespace oa::kube {

struct ExecCredential {
  std::string token;
  std::optional<ClientIdentity> identity;
  std::optional<Time> expires;
};

// The value of KUBERNETES_EXEC_INFO for the plugin.
std::string exec_info(const ExecConfig& config, const ClusterInfo& cluster);

// What a plugin printed. UNAUTHENTICATED unless it is an ExecCredential of that version with a
// token, or a certificate and its key, or both.
Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version);

// Runs the plugin for at most a minute; its standard error goes to ours. UNAUTHENTICATED, with the
// install hint, when it cannot be run or fails.
Result<std::string> run_plugin(const ExecConfig& config, const std::string& info,
                               std::stop_token stop);

}  // namespace oa::kube
