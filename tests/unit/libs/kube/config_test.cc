#include "libs/kube/config.h"

#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/crypto/encoding.h"
#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

using testing::HasSubstr;

const char* const kConfig = R"(
apiVersion: v1
kind: Config
preferences: {}
current-context: here
clusters:
- name: one
  cluster: {server: "https://10.0.0.1:6443", certificate-authority: pki/ca.crt, tls-server-name: api.example, proxy-url: "http://proxy:3128"}
- name: bare
  cluster: {server: "http://localhost:8080", insecure-skip-tls-verify: true}
users:
- name: token
  user: {token: 12345}
- name: cert
  user: {client-certificate: /pki/a.crt, client-key: ../a.key, as: boss}
- name: file
  user: {tokenFile: token, username: u, password: p}
contexts:
- name: here
  context: {cluster: one, user: token, namespace: team}
- name: there
  context: {cluster: bare, user: cert}
- name: anonymous
  context: {cluster: bare}
- name: file
  context: {cluster: bare, user: file}
- name: broken-cluster
  context: {cluster: nowhere, user: token}
- name: broken-user
  context: {cluster: one, user: nobody}
)";

Result<ClusterConfig> parse(const std::string& text, std::string_view context = {}) {
  return parse_kubeconfig({{"/home/me/.kube/config", text}}, context);
}

TEST(Kubeconfig, resolves_the_current_context) {
  const auto config = parse(kConfig);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->cluster.server, "https://10.0.0.1:6443");
  EXPECT_EQ(config->cluster.tls.ca_file, "/home/me/.kube/pki/ca.crt");
  EXPECT_EQ(config->cluster.tls.server_name, "api.example");
  EXPECT_EQ(config->cluster.proxy_url, "http://proxy:3128");
  EXPECT_EQ(config->auth.token, "12345") << "though YAML reads a number";
  EXPECT_EQ(config->ns, "team");
}

TEST(Kubeconfig, resolves_a_named_context) {
  const auto config = parse(kConfig, "there");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_TRUE(config->cluster.tls.insecure_skip_verify);
  EXPECT_EQ(config->auth.client_certificate_file, "/pki/a.crt");
  EXPECT_EQ(config->auth.client_key_file, "/home/me/a.key");
  EXPECT_EQ(config->auth.impersonate_user, "boss");
  EXPECT_EQ(config->ns, "default");
}

TEST(Kubeconfig, works_without_a_user) {
  const auto config = parse(kConfig, "anonymous");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->auth, AuthConfig());
}

TEST(Kubeconfig, reads_a_token_file_beside_it) {
  EXPECT_EQ(parse(kConfig, "file")->auth.token_file, "/home/me/.kube/token");
}

TEST(Kubeconfig, prefers_data_over_files) {
  const auto config = parse(
      R"({current-context: x, clusters: [{name: c, cluster: {server: "https://a",
      certificate-authority: ca.crt, certificate-authority-data: "Q0\nE="}}],
      users: [{name: u, user: {client-certificate-data: )" +
      crypto::base64_encode("CERT") + ", client-key-data: " + crypto::base64_encode("KEY") + R"(}}],
      contexts: [{name: x, context: {cluster: c, user: u}}]})");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->cluster.tls.ca_data, "CA");
  EXPECT_EQ(config->cluster.tls.ca_file, "");
  EXPECT_EQ(config->auth.client_certificate_data, "CERT");
  EXPECT_EQ(config->auth.client_key_data, "KEY");
}

TEST(Kubeconfig, merges_files_so_that_the_first_wins) {
  const std::string first =
      R"({contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://first"}}]})";
  const std::string second =
      R"({current-context: x, clusters: [{name: c, cluster: {server: "https://second"}}, {name: d, cluster: {server: "https://d"}}],
      contexts: [{name: x, context: {cluster: d}}, {name: y, context: {cluster: d}}]})";
  const std::vector<KubeconfigSource> sources{
      {"/a", first}, {"/empty", ""}, {"/blank", "\n \n"}, {"/b", second}};
  EXPECT_EQ(parse_kubeconfig(sources, "")->cluster.server, "https://first")
      << "the current context of the second file";
  EXPECT_EQ(parse_kubeconfig(sources, "y")->cluster.server, "https://d");
}

TEST(Kubeconfig, resolves_paths_against_the_file_that_they_stand_in) {
  const std::string first =
      R"({current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}]})";
  const std::string second =
      R"({clusters: [{name: c, cluster: {server: "https://a", certificate-authority: ca}}], users: [{name: u, user: {tokenFile: ./t}}]})";
  const auto config = parse_kubeconfig({{"/one/config", first}, {"/two/config", second}}, "");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->cluster.tls.ca_file, "/two/ca");
  EXPECT_EQ(config->auth.token_file, "/two/t");
}

TEST(Kubeconfig, reads_utf16_and_byte_order_marks) {
  for (const bool big : {true, false}) {
    std::string text = big ? "\xFE\xFF" : "\xFF\xFE";
    for (const char c : std::string(kConfig)) {
      const std::string unit{'\0', c};
      text += big ? unit : std::string(unit.rbegin(), unit.rend());
    }
    const auto config = parse(text);
    ASSERT_TRUE(config) << config.error().detail;
    EXPECT_EQ(config->ns, "team");
  }
  EXPECT_EQ(parse("\xEF\xBB\xBF" + std::string(kConfig))->ns, "team");
}

TEST(Kubeconfig, names_what_is_wrong) {
  const auto detail = [](const std::string& text, std::string_view context = {}) {
    const auto config = parse(text, context);
    return config ? std::string("accepted") : config.error().detail;
  };
  EXPECT_THAT(detail(""), HasSubstr("current-context must be set"));
  EXPECT_THAT(detail(kConfig, "elsewhere"), HasSubstr("contexts must have an entry \"elsewhere\""));
  EXPECT_THAT(
      detail(kConfig, "broken-cluster"),
      HasSubstr("clusters must have an entry \"nowhere\", which context \"broken-cluster\" names"));
  EXPECT_THAT(detail(kConfig, "broken-user"), HasSubstr("users must have an entry \"nobody\""));
  EXPECT_THAT(detail("[1, 2]"), HasSubstr("/home/me/.kube/config: must be a kubeconfig"));
  EXPECT_THAT(detail("clusters: {a: b}"), HasSubstr("clusters must be a list"));
  EXPECT_THAT(detail("clusters: [{cluster: {}}]"),
              HasSubstr("every entry of clusters must have a name"));
  EXPECT_THAT(detail("a: [b"), HasSubstr("/home/me/.kube/config: "));
  const auto with_user = [&](const std::string& user) {
    return detail(
        "{current-context: x, clusters: [{name: c, cluster: {server: \"https://a\"}}], contexts: "
        "[{name: x, "
        "context: {cluster: c, user: u}}], users: [{name: u, user: " +
        user + "}]}");
  };
  EXPECT_THAT(with_user("{client-certificate: a}"), HasSubstr("must be set together"));
  EXPECT_THAT(with_user("{client-key-data: '***', client-certificate: a}"),
              HasSubstr("client-key-data must be base64"));
  EXPECT_THAT(with_user("{as: boss, as-groups: [admins]}"), HasSubstr("as-groups"));
  EXPECT_THAT(with_user("{auth-provider: {name: gcp}}"), HasSubstr("auth-provider"));
  EXPECT_THAT(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"),
              HasSubstr("v1alpha1"));
  EXPECT_THAT(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}"),
              HasSubstr("interactiveMode must be set"));
  EXPECT_THAT(with_user("{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: "
                        "Always, command: x}}"),
              HasSubstr("no terminal"));
  EXPECT_THAT(
      with_user("{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}"),
      HasSubstr("command must be set"));
}

TEST(Kubeconfig, reads_a_plugin_and_resolves_its_path) {
  const auto exec = [](const std::string& command) {
    const auto config = parse(
        "{current-context: x, clusters: [{name: c, cluster: {server: \"https://a\"}}], contexts: "
        "[{name: x, "
        "context: {cluster: c, user: u}}], users: [{name: u, user: {exec: {apiVersion: "
        "client.authentication.k8s.io/v1beta1, command: " +
        command +
        ", args: [get-token, 7], env: [{name: A, value: b}], provideClusterInfo: true, "
        "installHint: get it}}}]}");
    EXPECT_TRUE(config) << config.error().detail;
    return *config->auth.exec;
  };
  EXPECT_EQ(exec("bin/login"), (ExecConfig{"client.authentication.k8s.io/v1beta1",
                                           "/home/me/.kube/bin/login",
                                           {"get-token", "7"},
                                           {{"A", "b"}},
                                           true,
                                           "get it"}));
  EXPECT_EQ(exec("login").command, "login") << "from PATH";
  EXPECT_EQ(exec("/bin/login").command, "/bin/login");
}

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
}

TEST(InClusterConfig, reads_the_service_account) {
  const test::TempDir dir;
  std::ofstream(dir.file("token")) << "secret";
  std::ofstream(dir.file("namespace")) << "team";
  const auto config = in_cluster_config(
      environment({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}}),
      dir.path());
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->cluster.server, "https://10.0.0.1:443");
  EXPECT_EQ(config->cluster.tls.ca_file, dir.file("ca.crt"));
  EXPECT_EQ(config->auth.token_file, dir.file("token"));
  EXPECT_EQ(config->ns, "team");
}

TEST(InClusterConfig, puts_brackets_around_ipv6) {
  const test::TempDir dir;
  std::ofstream(dir.file("token")) << "secret";
  EXPECT_EQ(in_cluster_config(environment({{"KUBERNETES_SERVICE_HOST", "fd00::1"},
                                           {"KUBERNETES_SERVICE_PORT", "443"}}),
                              dir.path())
                ->cluster.server,
            "https://[fd00::1]:443");
}

TEST(InClusterConfig, is_not_found_outside_a_pod) {
  EXPECT_EQ(in_cluster_config(environment({})).error().code, Code::kNotFound);
}

TEST(LoadConfig, follows_the_order_of_sources) {
  const test::TempDir dir;
  const auto write =
      [&](const std::string& name, const std::string& server) {
        std::filesystem::create_directories(std::filesystem::path(dir.file(name)).parent_path());
        std::ofstream(dir.file(name))
            << "{current-context: x, clusters: [{name: c, cluster: {server: \"" << server
            << "\"}}], contexts: [{name: x, context: {cluster: c}}]}";
        return std::string(dir.file(name));
      };
  const std::string flag = write("flag", "https://flag");
  const std::string env = write("env", "https://env");
  write("home/.kube/config", "https://home");
  const Environment all =
      environment({{"KUBECONFIG", "/absent:" + env}, {"HOME", std::string(dir.file("home"))}});
  EXPECT_EQ(load_config(all, flag)->cluster.server, "https://flag");
  EXPECT_EQ(load_config(all)->cluster.server, "https://env");
  EXPECT_EQ(load_config(environment({{"HOME", std::string(dir.file("home"))}}))->cluster.server,
            "https://home");
  EXPECT_THAT(load_config(environment({{"HOME", "/absent"}})).error().detail,
              HasSubstr("set KUBECONFIG"));
  EXPECT_EQ(load_config(all, "/absent").error().code, Code::kNotFound);
  EXPECT_EQ(load_config(environment({{"KUBECONFIG", "/absent"}})).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace oa::kube
