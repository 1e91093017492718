// Where the API server is and how to log in there: from kubeconfig files, or from inside a pod.
//
// Thread-safety: pure functions, but for those that read files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace oa::kube {

// An exec credential plugin (client.authentication.k8s.io/v1 or /v1beta1).
struct ExecConfig {
  std::string api_version;
  std::string
      command;  // already resolved against the kubeconfig's folder if it was relative with a slash
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  bool provide_cluster_info = false;
  std::string install_hint;

  bool operator==(const ExecConfig&) const = default;
};

// At most one of token, token_file, basic and exec counts, in this order but that a token file wins
// over a token.
struct AuthConfig {
  std::string token;
  std::string token_file;
  std::string username;
  std::string password;
  std::string client_certificate_data;  // PEM
  std::string client_certificate_file;
  std::string client_key_data;
  std::string client_key_file;
  std::optional<ExecConfig> exec;
  std::string impersonate_user;  // act as somebody else

  bool operator==(const AuthConfig&) const = default;
};

struct TlsOptions {
  std::string ca_data;  // PEM; wins over the file
  // Read again for every new connection, so that a rotated CA is taken up. Both empty: the system's
  // CAs; else the system's are not trusted.
  std::string ca_file;
  std::string server_name;  // the name to expect in the certificate; empty: the host of the URL
  bool insecure_skip_verify = false;

  bool operator==(const TlsOptions&) const = default;
};

struct ClusterInfo {
  std::string server;  // https://10.0.0.1:6443, with an optional path prefix
  TlsOptions tls;
  std::string
      proxy_url;  // http://proxy:3128; empty: none (the environment's proxies are not looked at)

  bool operator==(const ClusterInfo&) const = default;
};

struct ClusterConfig {
  ClusterInfo cluster;
  AuthConfig auth;
  std::string ns = "default";  // of the context, or of the pod

  bool operator==(const ClusterConfig&) const = default;
};

// One kubeconfig document and the file it came from (relative paths inside are relative to the
// file's folder).
struct KubeconfigSource {
  std::string path;
  std::string text;  // UTF-8 or UTF-16 with a byte order mark
};

// Merges the documents (the first to set a value or to define a name wins) and resolves a context;
// empty: the current one. INVALID_REQUEST names the file and the field.
Result<ClusterConfig> parse_kubeconfig(const std::vector<KubeconfigSource>& sources,
                                       std::string_view context);

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

Environment process_environment();

// In a pod: KUBERNETES_SERVICE_HOST and _PORT, and the service account's files under `directory`.
// NOT_FOUND outside a pod.
Result<ClusterConfig> in_cluster_config(
    const Environment& environment,
    const std::string& directory = "/var/run/secrets/kubernetes.io/serviceaccount");

// What programs use: `kubeconfig` if not empty, else the files of KUBECONFIG, else the pod, else
// ~/.kube/config.
Result<ClusterConfig> load_config(const Environment& environment,
                                  const std::string& kubeconfig = {},
                                  std::string_view context = {});

}  // namespace oa::kube
