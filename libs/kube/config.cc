#include "libs/kube/config.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <tuple>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "libs/crypto/encoding.h"
#include "libs/kube/material.h"

namespace oa::kube {
namespace {

Error invalid(const std::string& path, const std::string& what) {
  return make_error(Code::kInvalidRequest, path + ": " + what);
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// Text with a byte order mark of UTF-16 or UTF-8 as plain UTF-8; PowerShell writes kubeconfigs in
// UTF-16.
std::string to_utf8(std::string_view text) {
  const bool big = text.starts_with("\xFE\xFF");
  if (!big && !text.starts_with("\xFF\xFE")) {
    return std::string(text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text);
  }
  const auto unit = [&](std::size_t i) -> char32_t {
    const auto first = static_cast<unsigned char>(text[i]);
    const auto second = static_cast<unsigned char>(text[i + 1]);
    return static_cast<char32_t>(big ? first << 8 | second : second << 8 | first);
  };
  std::string out;
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    char32_t c = unit(i);
    if (c >= 0xD800 && c < 0xDC00 && i + 3 < text.size()) {
      i += 2;
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(i) - 0xDC00);
    }
    append_utf8(out, c);
  }
  return out;
}

// A scalar as text: YAML reads an unquoted token of digits as a number.
std::string scalar(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || it->is_null() || it->is_structured()) return {};
  return it->is_string() ? it->get<std::string>() : it->dump();
}

bool flag(const Json& object, const char* name) { return scalar(object, name) == "true"; }

// One `clusters`, `users` or `contexts` entry, with the file that it came from.
struct Entry {
  Json body;
  std::string file;

  std::string resolve(const std::string& path) const {
    if (path.empty() || std::filesystem::path(path).is_absolute()) return path;
    return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
  }
};

struct Merged {
  std::string current_context;
  std::map<std::string, Entry> clusters, users, contexts;
};

Result<void> add_entries(std::map<std::string, Entry>& entries, const Json& document,
                         const char* list, const char* body, const std::string& file) {
  const auto items = document.find(list);
  if (items == document.end() || items->is_null()) return {};
  if (!items->is_array()) return invalid(file, std::string(list) + " must be a list");
  for (const Json& item : *items) {
    if (!item.is_object() || scalar(item, "name").empty()) {
      return invalid(file, std::string("every entry of ") + list + " must have a name");
    }
    const auto found = item.find(body);
    const Json value = found != item.end() && found->is_object() ? *found : Json::object();
    entries.emplace(scalar(item, "name"), Entry{value, file});  // the first wins
  }
  return {};
}

Result<Merged> merge(const std::vector<KubeconfigSource>& sources) {
  Merged merged;
  for (const KubeconfigSource& source : sources) {
    std::string text = to_utf8(source.text);
    // A marked document is read as YAML, of which JSON is a part; without the mark, braces would
    // have to be JSON.
    if (text.starts_with('{')) text.insert(0, "---\n");
    if (text.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    const Result<Json> document = parse_yaml(text);
    if (!document) return invalid(source.path, document.error().detail);
    if (document->is_null()) continue;
    if (!document->is_object())
      return invalid(source.path, "must be a kubeconfig: a map with clusters, users and contexts");
    if (merged.current_context.empty())
      merged.current_context = scalar(*document, "current-context");
    for (const auto& [entries, list, body] :
         {std::tuple{&merged.clusters, "clusters", "cluster"},
          std::tuple{&merged.users, "users", "user"},
          std::tuple{&merged.contexts, "contexts", "context"}}) {
      if (Result<void> added = add_entries(*entries, *document, list, body, source.path); !added) {
        return added.error();
      }
    }
  }
  return merged;
}

// People break the long lines of base64.
std::string without_white_space(std::string text) {
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r' || c == ' ' || c == '\t'; });
  return text;
}

// `name-data` decoded, into `data`; else the path under `name`, into `path`.
Result<void> read_material(const Entry& entry, const std::string& name, std::string& data,
                           std::string& path) {
  const std::string encoded = scalar(entry.body, (name + "-data").c_str());
  if (!encoded.empty()) {
    Result<std::string> decoded = crypto::base64_decode(without_white_space(encoded));
    if (!decoded) return invalid(entry.file, name + "-data " + decoded.error().detail);
    data = std::move(*decoded);
  } else {
    path = entry.resolve(scalar(entry.body, name.c_str()));
  }
  return {};
}

Result<ClusterInfo> read_cluster(const Entry& entry) {
  ClusterInfo cluster;
  cluster.server = scalar(entry.body, "server");
  if (cluster.server.empty()) return invalid(entry.file, "cluster.server must be set");
  if (auto read =
          read_material(entry, "certificate-authority", cluster.tls.ca_data, cluster.tls.ca_file);
      !read) {
    return read.error();
  }
  cluster.tls.server_name = scalar(entry.body, "tls-server-name");
  cluster.tls.insecure_skip_verify = flag(entry.body, "insecure-skip-tls-verify");
  cluster.proxy_url = scalar(entry.body, "proxy-url");
  return cluster;
}

Result<ExecConfig> read_exec(const Json& body, const Entry& entry) {
  ExecConfig exec;
  exec.api_version = scalar(body, "apiVersion");
  exec.command = scalar(body, "command");
  exec.provide_cluster_info = flag(body, "provideClusterInfo");
  exec.install_hint = scalar(body, "installHint");
  if (exec.api_version != "client.authentication.k8s.io/v1" &&
      exec.api_version != "client.authentication.k8s.io/v1beta1") {
    return invalid(entry.file, "user.exec.apiVersion is \"" + exec.api_version +
                                   "\" but must be client.authentication.k8s.io/v1 or /v1beta1");
  }
  if (exec.command.empty()) return invalid(entry.file, "user.exec.command must be set");
  const std::string mode = scalar(body, "interactiveMode");
  if (exec.api_version.ends_with("/v1") && mode.empty()) {
    return invalid(entry.file,
                   "user.exec.interactiveMode must be set (client.authentication.k8s.io/v1)");
  }
  if (mode == "Always") {
    return invalid(entry.file,
                   "user.exec.interactiveMode is Always but must be Never or IfAvailable: there is "
                   "no terminal here");
  }
  if (exec.command.find('/') != std::string::npos) exec.command = entry.resolve(exec.command);
  if (const auto args = body.find("args"); args != body.end() && args->is_array()) {
    for (const Json& arg : *args)
      exec.args.push_back(arg.is_string() ? arg.get<std::string>() : arg.dump());
  }
  if (const auto env = body.find("env"); env != body.end() && env->is_array()) {
    for (const Json& item : *env) {
      if (item.is_object()) exec.env.emplace_back(scalar(item, "name"), scalar(item, "value"));
    }
  }
  return exec;
}

Result<AuthConfig> read_user(const Entry& entry) {
  AuthConfig auth;
  auth.token = scalar(entry.body, "token");
  auth.token_file = entry.resolve(scalar(entry.body, "tokenFile"));
  auth.username = scalar(entry.body, "username");
  auth.password = scalar(entry.body, "password");
  if (auto read = read_material(entry, "client-certificate", auth.client_certificate_data,
                                auth.client_certificate_file);
      !read) {
    return read.error();
  }
  if (auto read = read_material(entry, "client-key", auth.client_key_data, auth.client_key_file);
      !read) {
    return read.error();
  }
  const bool certificate =
      !auth.client_certificate_data.empty() || !auth.client_certificate_file.empty();
  const bool key = !auth.client_key_data.empty() || !auth.client_key_file.empty();
  if (certificate != key)
    return invalid(entry.file, "user.client-certificate and user.client-key must be set together");
  if (entry.body.contains("auth-provider")) {
    return invalid(
        entry.file,
        "user.auth-provider is not supported any more by Kubernetes and must be an exec plugin");
  }
  if (const auto body = entry.body.find("exec"); body != entry.body.end() && body->is_object()) {
    Result<ExecConfig> exec = read_exec(*body, entry);
    if (!exec) return exec.error();
    auth.exec = std::move(*exec);
  }
  auth.impersonate_user = scalar(entry.body, "as");
  if (entry.body.contains("as-groups") || entry.body.contains("as-uid") ||
      entry.body.contains("as-user-extra")) {
    // Ignoring these would act with other rights than were asked for.
    return invalid(entry.file, "user.as-groups, as-uid and as-user-extra are not supported");
  }
  return auth;
}

Result<ClusterConfig> from_files(const std::vector<std::string>& paths, bool may_be_absent,
                                 std::string_view context) {
  std::vector<KubeconfigSource> sources;
  for (const std::string& path : paths) {
    Result<std::string> text = read_file(path);
    if (text) {
      sources.push_back({path, std::move(*text)});
    } else if (!may_be_absent) {
      return text.error();
    }
  }
  if (sources.empty()) return make_error(Code::kNotFound, "no kubeconfig found");
  return parse_kubeconfig(sources, context);
}

std::vector<std::string> split_paths(const std::string& list) {
  std::vector<std::string> paths;
  std::istringstream stream(list);
  for (std::string path; std::getline(stream, path, ':');) {
    if (!path.empty()) paths.push_back(path);
  }
  return paths;
}

}  // namespace

Result<ClusterConfig> parse_kubeconfig(const std::vector<KubeconfigSource>& sources,
                                       std::string_view context) {
  const Result<Merged> merged = merge(sources);
  if (!merged) return merged.error();
  const std::string files = sources.empty() ? "kubeconfig" : sources.front().path;
  const std::string name = context.empty() ? merged->current_context : std::string(context);
  if (name.empty()) return invalid(files, "current-context must be set, or a context named");
  const auto found = merged->contexts.find(name);
  if (found == merged->contexts.end())
    return invalid(files, "contexts must have an entry \"" + name + "\"");
  const Entry& chosen = found->second;

  const auto cluster = merged->clusters.find(scalar(chosen.body, "cluster"));
  if (cluster == merged->clusters.end()) {
    return invalid(chosen.file, "clusters must have an entry \"" + scalar(chosen.body, "cluster") +
                                    "\", which context \"" + name + "\" names");
  }
  ClusterConfig config;
  Result<ClusterInfo> info = read_cluster(cluster->second);
  if (!info) return info.error();
  config.cluster = std::move(*info);

  const std::string user = scalar(chosen.body, "user");
  if (!user.empty()) {
    const auto entry = merged->users.find(user);
    if (entry == merged->users.end()) {
      return invalid(chosen.file, "users must have an entry \"" + user + "\", which context \"" +
                                      name + "\" names");
    }
    Result<AuthConfig> auth = read_user(entry->second);
    if (!auth) return auth.error();
    config.auth = std::move(*auth);
  }
  if (const std::string ns = scalar(chosen.body, "namespace"); !ns.empty()) config.ns = ns;
  return config;
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

Result<ClusterConfig> in_cluster_config(const Environment& environment,
                                        const std::string& directory) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST").value_or("");
  const std::string port = environment("KUBERNETES_SERVICE_PORT").value_or("");
  if (host.empty() || port.empty()) {
    return make_error(
        Code::kNotFound,
        "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be set");
  }
  ClusterConfig config;
  const bool ipv6 = host.find(':') != std::string::npos;
  config.cluster.server = "https://" + (ipv6 ? "[" + host + "]" : host) + ":" + port;
  config.cluster.tls.ca_file = directory + "/ca.crt";
  config.auth.token_file = directory + "/token";
  if (Result<std::string> token = read_file(config.auth.token_file); !token) return token.error();
  if (Result<std::string> ns = read_file(directory + "/namespace"); ns && !ns->empty())
    config.ns = *ns;
  return config;
}

Result<ClusterConfig> load_config(const Environment& environment, const std::string& kubeconfig,
                                  std::string_view context) {
  if (!kubeconfig.empty()) return from_files({kubeconfig}, false, context);
  if (const auto list = environment("KUBECONFIG"); list && !list->empty()) {
    return from_files(split_paths(*list), true, context);
  }
  Result<ClusterConfig> in_cluster = in_cluster_config(environment);
  if (in_cluster || environment("KUBERNETES_SERVICE_HOST")) return in_cluster;
  Result<ClusterConfig> config =
      from_files({environment("HOME").value_or("") + "/.kube/config"}, true, context);
  if (config || config.error().code != Code::kNotFound) return config;
  return make_error(Code::kNotFound,
                    "no API server is known: set KUBECONFIG or --kubeconfig, run in a pod, or "
                    "write ~/.kube/config");
}

}  // namespace oa::kube
