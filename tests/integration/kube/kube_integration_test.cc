#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"
#include "libs/kube/apply_match.h"
#include "libs/kube/client.h"
#include "libs/kube/events.h"
#include "libs/kube/lease.h"
#include "libs/kube/reflector.h"
#include "libs/obs/system_clock.h"
#include "tests/support/eventually.h"
#include "tests/support/tcp_proxy.h"
#include "tests/support/temp_dir.h"

// Against a real API server, named by KUBECONFIG, with etcd and no controllers behind it.

namespace oa::kube {
namespace {

using nlohmann::json;
using test::eventually;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr Resource kConfigMaps{"", "v1", "configmaps", "ConfigMap"};
constexpr Resource kServiceAccounts{"", "v1", "serviceaccounts", "ServiceAccount"};
constexpr const char* kManager = "test-manager";

const obs::SystemClock& system_clock() {
  static const obs::SystemClock clock;
  return clock;
}

json object_of(const Resource& resource, const std::string& ns, const std::string& name,
               const json& rest = json::object()) {
  json object{{"apiVersion", api_version(resource)},
              {"kind", std::string(resource.kind)},
              {"metadata", {{"name", name}}}};
  if (!ns.empty()) object["metadata"]["namespace"] = ns;
  object.update(rest, true);
  return object;
}

// A client with a namespace of its own.
class KubeApi : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = load_config(process_environment());
    ASSERT_TRUE(loaded) << loaded.error().detail;
    config = *loaded;
    client = connect(config);
    ns = "test-" + std::to_string(std::random_device()());
    const auto created = client->create(kNamespaces, object_of(kNamespaces, "", ns), kManager);
    ASSERT_TRUE(created) << created.error().detail;
  }

  std::unique_ptr<Client> connect(const ClusterConfig& to) {
    ClientOptions options;
    options.user_agent = "kube-integration-test";
    auto made = make_client(to, options, system_clock(), metrics, log);
    EXPECT_TRUE(made) << made.error().detail;
    return std::move(*made);
  }

  json config_map(const std::string& name, const json& data = json::object()) const {
    return object_of(kConfigMaps, ns, name, {{"data", data}});
  }

  Object must_apply(const json& object, const Resource& resource) {
    const auto applied = client->apply(resource, object, {kManager});
    EXPECT_TRUE(applied) << applied.error().detail;
    return *applied;
  }

  // The port of 127.0.0.1 at which the API server is.
  int server_port() const {
    return std::stoi(config.cluster.server.substr(config.cluster.server.rfind(':') + 1));
  }

  obs::Metrics metrics;
  obs::Logger log{"test", {obs::Level::kInfo, obs::LogFormat::kText, {}}, system_clock()};
  ClusterConfig config;
  std::unique_ptr<Client> client;
  std::string ns;
};

// A store kept up to date, and how many changes it has told of.
struct Watched {
  Watched(const Client& client, const Resource& resource, const std::string& ns,
          obs::Metrics& metrics, obs::Logger log, int page_size = 500)
      : reflector(
            client, resource, {ns, "", ""}, store, [this](const StoreChange&) { ++changes; },
            metrics, std::move(log),
            [page_size] {
              WatcherOptions options;
              options.page_size = page_size;
              options.backoff.first = 10ms;
              options.backoff.limit = 200ms;
              return options;
            }()) {
    reflector.start();
  }

  Store store;
  std::atomic<int> changes{0};
  Reflector reflector;
};

TEST_F(KubeApi, lists_in_pages_and_follows_changes) {
  for (int i = 0; i < 7; ++i) must_apply(config_map("c" + std::to_string(i)), kConfigMaps);
  Watched watched(*client, kConfigMaps, ns, metrics, log, 3);
  ASSERT_TRUE(watched.store.wait_ready(std::stop_token()));
  EXPECT_EQ(watched.store.size(), 7U);
  EXPECT_EQ(watched.store.get({ns, "c3"})->kind(), "ConfigMap");
  EXPECT_EQ(watched.store.get({ns, "c3"})->at("/metadata/managedFields"), nullptr);

  must_apply(config_map("c7", {{"a", "1"}}), kConfigMaps);
  must_apply(config_map("c3", {{"a", "2"}}), kConfigMaps);
  ASSERT_TRUE(client->remove(kConfigMaps, {ns, "c5"}, {}));
  EXPECT_TRUE(eventually([&] {
    const auto changed = watched.store.get({ns, "c3"});
    return watched.store.get({ns, "c7"}) && changed && changed->text("/data/a") == "2" &&
           !watched.store.get({ns, "c5"});
  }));
}

TEST_F(KubeApi, lists_page_by_page_at_one_version) {
  for (int i = 0; i < 5; ++i) must_apply(config_map("c" + std::to_string(i)), kConfigMaps);
  const auto first = client->list(kConfigMaps, {ns, "", ""}, {2, "", "", ""});
  ASSERT_TRUE(first) << first.error().detail;
  EXPECT_EQ(first->items.size(), 2U);
  must_apply(config_map("c9"), kConfigMaps);
  const auto rest = client->list(kConfigMaps, {ns, "", ""}, {500, first->continue_token, "", ""});
  ASSERT_TRUE(rest) << rest.error().detail;
  EXPECT_EQ(rest->items.size(), 3U);
  EXPECT_EQ(rest->resource_version, first->resource_version);
  EXPECT_EQ(rest->continue_token, "");
}

TEST_F(KubeApi, shows_an_own_write_before_its_event_and_after_it) {
  Watched watched(*client, kConfigMaps, ns, metrics, log);
  ASSERT_TRUE(watched.store.wait_ready(std::stop_token()));
  for (int i = 0; i < 50; ++i) {
    const Object written = must_apply(config_map("c", {{"i", std::to_string(i)}}), kConfigMaps);
    watched.store.on_own_write(written);
    EXPECT_EQ(watched.store.get({ns, "c"})->text("/data/i"), std::to_string(i));
  }
  must_apply(config_map("last"), kConfigMaps);
  EXPECT_TRUE(eventually([&] { return watched.store.get({ns, "last"}).has_value(); }));
  EXPECT_EQ(watched.store.get({ns, "c"})->text("/data/i"), "49") << "all of its events have passed";
}

TEST_F(KubeApi, leaves_the_version_alone_when_an_apply_changes_nothing) {
  const json desired = config_map("c", {{"a", "1"}});
  const Object first = must_apply(desired, kConfigMaps);
  EXPECT_EQ(must_apply(desired, kConfigMaps).resource_version(), first.resource_version());
}

TEST_F(KubeApi, takes_back_a_field_that_it_does_not_apply_any_more) {
  must_apply(config_map("c", {{"a", "1"}, {"b", "2"}}), kConfigMaps);
  const Object second = must_apply(config_map("c", {{"a", "1"}}), kConfigMaps);
  EXPECT_EQ(second.at("/data/b"), nullptr);
}

TEST_F(KubeApi, conflicts_with_another_manager_unless_forced) {
  must_apply(config_map("c", {{"a", "1"}}), kConfigMaps);
  const auto polite =
      client->apply(kConfigMaps, config_map("c", {{"a", "2"}}), {"somebody-else", false});
  ASSERT_FALSE(polite);
  EXPECT_EQ(polite.error().code, Code::kConflict);
  EXPECT_THAT(polite.error().detail, HasSubstr(kManager));
  EXPECT_TRUE(client->apply(kConfigMaps, config_map("c", {{"a", "2"}}), {"somebody-else", true}));
}

TEST_F(KubeApi, refuses_unknown_fields) {
  const auto applied = client->apply(
      kConfigMaps,
      config_map("c").patch(json::parse(R"([{"op": "add", "path": "/dta", "value": {}}])")),
      {kManager});
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().detail, HasSubstr("dta"));
  const auto created = client->create(
      kConfigMaps,
      config_map("c").patch(json::parse(R"([{"op": "add", "path": "/dta", "value": {}}])")),
      kManager);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code, Code::kInvalidRequest);
}

// What the server makes of typical children must count as applied, or every reconcile would write.
TEST_F(KubeApi, recognises_what_it_has_applied) {
  const json pod = json::parse(R"({
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "agent", "image": "i:1", "imagePullPolicy": "IfNotPresent",
               "ports": [{"name": "http", "containerPort": 8080}], "env": [{"name": "A", "value": "b"}],
               "resources": {"requests": {"cpu": "0.1", "memory": "0.25Gi"}, "limits": {"memory": "1024Mi", "cpu": "1000m"}},
               "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
               "securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
               "volumeMounts": [{"name": "state", "mountPath": "/var/lib/x"}, {"name": "tmp", "mountPath": "/tmp"}]}],
             "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
                         {"name": "info", "downwardAPI": {"items": [{"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}]}}],
             "tolerations": [], "nodeSelector": {}}})");
  const json claim{{"metadata", {{"name", "state"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOncePod"}},
                     {"resources", {{"requests", {{"storage", "10240Mi"}}}}}}}};
  const std::vector<std::pair<Resource, json>> objects{
      {kStatefulSets, object_of(kStatefulSets, ns, "a",
                                {{"spec",
                                  {{"replicas", 1},
                                   {"serviceName", "a"},
                                   {"selector", {{"matchLabels", {{"a", "b"}}}}},
                                   {"updateStrategy", {{"type", "OnDelete"}}},
                                   {"podManagementPolicy", "Parallel"},
                                   {"template", pod},
                                   {"volumeClaimTemplates", json::array({claim})}}}})},
      {kServices,
       object_of(kServices, ns, "a",
                 {{"spec",
                   {{"selector", {{"a", "b"}}},
                    {"ports",
                     json::array({{{"name", "http"}, {"port", 80}, {"targetPort", "http"}}})}}}})},
      {kPersistentVolumeClaims,
       object_of(kPersistentVolumeClaims, ns, "state-b-0", {{"spec", claim["spec"]}})},
  };
  for (const auto& [resource, object] : objects) {
    const json desired = with_applied_hash(object);
    const Object live = must_apply(desired, resource);
    EXPECT_EQ(first_difference(desired, live.json()), "") << resource.plural;
    EXPECT_TRUE(already_applied(desired, live.json())) << resource.plural;
  }
}

TEST_F(KubeApi, writes_a_status_beside_the_spec) {
  const json set =
      object_of(kStatefulSets, ns, "a",
                json::parse(R"({"spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
      "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})"));
  const Object applied = must_apply(set, kStatefulSets);
  const auto status = client->apply_status(
      kStatefulSets,
      object_of(kStatefulSets, ns, "a", {{"status", {{"replicas", 1}, {"readyReplicas", 1}}}}),
      {"status-manager"});
  ASSERT_TRUE(status) << status.error().detail;
  EXPECT_EQ(status->integer("/status/readyReplicas"), 1);
  EXPECT_EQ(status->integer("/spec/replicas"), 1);
  EXPECT_EQ(status->generation(), applied.generation());
  const Object again = must_apply(set, kStatefulSets);
  EXPECT_EQ(again.integer("/status/readyReplicas"), 1)
      << "an apply of the spec leaves the status alone";
}

TEST_F(KubeApi, patches_replaces_and_keeps_preconditions) {
  const Object created = must_apply(config_map("c", {{"a", "1"}}), kConfigMaps);
  const auto patched = client->patch(kConfigMaps, created.key(), PatchType::kMerge,
                                     json{{"data", {{"a", "2"}}}}, kManager);
  ASSERT_TRUE(patched) << patched.error().detail;
  const auto guarded =
      client->patch(kConfigMaps, created.key(), PatchType::kJson,
                    json::array({{{"op", "test"},
                                  {"path", "/metadata/resourceVersion"},
                                  {"value", std::string(created.resource_version())}},
                                 {{"op", "replace"}, {"path", "/data/a"}, {"value", "3"}}}),
                    kManager);
  EXPECT_FALSE(guarded) << "the object has changed";
  const auto stale = client->replace(kConfigMaps, created.json(), kManager);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, Code::kConflict);
  EXPECT_TRUE(client->replace(kConfigMaps, patched->json(), kManager));
  const auto again = client->create(kConfigMaps, config_map("c"), kManager);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, reason::kAlreadyExists);

  const auto wrong = client->remove(kConfigMaps, created.key(),
                                    {"", "00000000-0000-0000-0000-000000000000", "", {}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kConflict);
  EXPECT_TRUE(client->remove(kConfigMaps, created.key(), {"", std::string(created.uid()), "", {}}));
  EXPECT_TRUE(client->remove(kConfigMaps, created.key(), {"", std::string(created.uid()), "", {}}))
      << "it is gone already";
  EXPECT_EQ(client->get(kConfigMaps, created.key()).error().code, Code::kNotFound);
}

TEST_F(KubeApi, learns_that_a_version_is_not_there_yet) {
  CallOptions once;
  once.max_retries = 0;
  const auto future =
      client->list(kConfigMaps, {ns, "", ""}, {0, "", "999999999999", "NotOlderThan"}, {}, once);
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().reason, reason::kVersionTooLarge) << to_string(future.error());
}

TEST_F(KubeApi, goes_on_after_its_connections_were_cut) {
  test::TcpProxy proxy(server_port());
  ClusterConfig through = config;
  through.cluster.server = "https://127.0.0.1:" + std::to_string(proxy.port());
  const auto proxied = connect(through);
  must_apply(config_map("before"), kConfigMaps);
  must_apply(config_map("doomed"), kConfigMaps);
  Watched watched(*proxied, kConfigMaps, ns, metrics, log);
  ASSERT_TRUE(watched.store.wait_ready(std::stop_token()));

  for (int round = 0; round < 3; ++round) {
    proxy.refuse(true);
    proxy.cut();
    const std::string name = "during-" + std::to_string(round);
    must_apply(config_map(name), kConfigMaps);
    if (round == 1) {
      ASSERT_TRUE(client->remove(kConfigMaps, {ns, "doomed"}, {}));
    }
    const int refused = proxy.connections();
    EXPECT_TRUE(eventually([&] { return proxy.connections() > refused; }))
        << "it tries again meanwhile";
    proxy.refuse(false);
    EXPECT_TRUE(eventually([&] { return watched.store.get({ns, name}).has_value(); })) << name;
  }
  EXPECT_TRUE(watched.store.get({ns, "before"}));
  EXPECT_TRUE(eventually([&] { return !watched.store.get({ns, "doomed"}); }));
  EXPECT_THAT(metrics.text(), HasSubstr("openagents_kube_lists_total{resource=\"configmaps\"} 1"))
      << "a cut connection is no reason to list again";
}

TEST_F(KubeApi, repeats_what_a_cut_connection_has_swallowed) {
  test::TcpProxy proxy(server_port());
  ClusterConfig through = config;
  through.cluster.server = "https://127.0.0.1:" + std::to_string(proxy.port());
  const auto proxied = connect(through);
  // Cuts now in the handshake, now in a request, now in between.
  std::jthread cutter([&](std::stop_token stop) {
    RealWaiter waiter;
    for (Duration pause = 7ms; waiter.wait(pause, stop); pause = pause % 50ms + 7ms) proxy.cut();
  });
  for (int i = 0; i < 20; ++i) {
    const auto applied =
        proxied->apply(kConfigMaps, config_map("c" + std::to_string(i)), {kManager});
    EXPECT_TRUE(applied) << applied.error().detail;
  }
  cutter.request_stop();
  cutter.join();
  EXPECT_EQ(client->list(kConfigMaps, {ns, "", ""}, {})->items.size(), 20U);
}

TEST_F(KubeApi, waits_until_a_resource_is_defined) {
  const std::string group = ns + ".example.com";
  const std::string version = "v1";
  const Resource things{group, version, "things", "Thing"};
  Watched watched(*client, things, ns, metrics, log);
  EXPECT_TRUE(eventually([&] {
    return metrics.text().find("rest_client_requests_total{code=\"404\",method=\"GET\"} ") !=
           std::string::npos;
  }));
  EXPECT_FALSE(watched.store.ready());
  const Resource definitions{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                             "CustomResourceDefinition", false};
  const json definition =
      object_of(definitions, "", "things." + group,
                json::parse(R"({"spec": {"group": ")" + group + R"(", "scope": "Namespaced",
      "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
      "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})"));
  must_apply(definition, definitions);
  ASSERT_TRUE(watched.store.wait_ready(std::stop_token()));
  must_apply(object_of(things, ns, "one"), things);
  EXPECT_TRUE(eventually([&] { return watched.store.get({ns, "one"}).has_value(); }));
  EXPECT_TRUE(client->remove(definitions, {"", "things." + group}, {}));
}

struct Candidate {
  Candidate(const Client& client, const std::string& ns, const std::string& name,
            obs::Metrics& metrics, obs::Logger log)
      : elector(client, {ns, "leader", name, 3s, 2s, 100ms, 1.2},
                {[this] { leads = true; }, [this] { lost = true; }}, metrics, std::move(log)) {
    elector.start();
  }
  std::atomic<bool> leads{false};
  std::atomic<bool> lost{false};
  LeaderElector elector;
};

TEST_F(KubeApi, elects_one_leader_and_another_when_it_goes) {
  auto first = std::make_unique<Candidate>(*client, ns, "first", metrics, log);
  ASSERT_TRUE(eventually([&] { return first->leads.load(); }));
  Candidate second(*client, ns, "second", metrics, log);
  const auto lease = [&] {
    const auto found = client->get(kLeases, {ns, "leader"});
    return found ? read_lease(*found) : LeaseRecord();
  };
  const auto renewed = lease().renewed;
  EXPECT_TRUE(eventually([&] { return lease().renewed != renewed; }));
  EXPECT_FALSE(second.leads);
  EXPECT_TRUE(first->elector.healthy());
  first->elector.stop();
  EXPECT_FALSE(first->lost);
  EXPECT_TRUE(eventually([&] { return second.leads.load(); }));
  EXPECT_EQ(lease().holder, "second");
  EXPECT_EQ(lease().transitions, 1);
}

TEST_F(KubeApi, takes_over_from_a_leader_that_was_cut_off) {
  test::TcpProxy proxy(server_port());
  ClusterConfig through = config;
  through.cluster.server = "https://127.0.0.1:" + std::to_string(proxy.port());
  const auto proxied = connect(through);
  Candidate first(*proxied, ns, "first", metrics, log);
  ASSERT_TRUE(eventually([&] { return first.leads.load(); }));
  Candidate second(*client, ns, "second", metrics, log);
  proxy.refuse(true);
  proxy.cut();
  EXPECT_TRUE(eventually([&] { return first.lost.load(); }));
  EXPECT_FALSE(second.leads) << "the old leader knows first";
  EXPECT_TRUE(eventually([&] { return second.leads.load(); }));
}

TEST_F(KubeApi, records_events_and_counts_repeats) {
  const Object about = must_apply(config_map("c"), kConfigMaps);
  EventRecorder recorder(*client, "openagents.com/test", "test-0", metrics, log);
  recorder.start();
  for (int i = 0; i < 5; ++i)
    recorder.record(
        {reference_to(about), EventType::kWarning, "NameConflict", "Reconcile", "it is taken"});
  recorder.record({reference_to(about), EventType::kNormal, "Created", "Reconcile", "made it"});
  recorder.stop(30s);
  const auto events = client->list(kEvents, {ns, "", ""}, {});
  ASSERT_TRUE(events) << events.error().detail;
  ASSERT_EQ(events->items.size(), 2U);
  for (const Object& event : events->items) {
    EXPECT_EQ(event.text("/regarding/uid"), about.uid());
    EXPECT_EQ(event.integer("/series/count").value_or(1),
              event.text("/reason") == "NameConflict" ? 5 : 1);
  }
}

// The kubeconfig itself logs in with a client certificate.
TEST_F(KubeApi, refuses_a_caller_without_a_certificate_or_with_another_ca) {
  ClusterConfig anonymous = config;
  anonymous.auth = {};
  const auto nobody = connect(anonymous)->list(kConfigMaps, {ns, "", ""}, {});
  ASSERT_FALSE(nobody);
  EXPECT_TRUE(nobody.error().code == Code::kUnauthenticated ||
              nobody.error().code == Code::kUnauthorized)
      << to_string(nobody.error());
  ClusterConfig distrusting = config;
  distrusting.cluster.tls.ca_data.clear();
  distrusting.cluster.tls.ca_file.clear();
  const auto unknown =
      connect(distrusting)->list(kConfigMaps, {ns, "", ""}, {}, {}, {.max_retries = 0});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, reason::kTlsFailure) << to_string(unknown.error());
}

TEST_F(KubeApi, takes_up_a_service_accounts_token_that_was_renewed_on_disk) {
  must_apply(object_of(kServiceAccounts, ns, "robot"), kServiceAccounts);
  HttpRequest ask = create_request(kServiceAccounts, object_of(kServiceAccounts, ns, "x"), "");
  ask.path = object_path(kServiceAccounts, {ns, "robot"}, "token");
  ask.body =
      R"({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}})";
  const auto answer = client->call(ask);
  ASSERT_TRUE(answer) << answer.error().detail;
  const std::string token = Object(*answer).text("/status/token").data();
  ASSERT_FALSE(token.empty());

  const test::TempDir dir;
  std::ofstream(dir.file("token")) << "stale";
  ClusterConfig robot = config;
  robot.auth = {};
  robot.auth.token_file = dir.file("token");
  const auto as_robot = connect(robot);
  EXPECT_EQ(as_robot->get(kConfigMaps, {ns, "c"}).error().code, Code::kUnauthenticated);
  std::ofstream(dir.file("token")) << token;
  const auto known = as_robot->get(kConfigMaps, {ns, "c"});
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, Code::kUnauthorized) << to_string(known.error());
  EXPECT_THAT(known.error().detail, HasSubstr("system:serviceaccount:" + ns + ":robot"));
}

TEST_F(KubeApi, ends_everything_at_once) {
  std::vector<std::unique_ptr<Watched>> all;
  for (const Resource& resource :
       {kConfigMaps, kPods, kServices, kStatefulSets, kPersistentVolumeClaims}) {
    all.push_back(std::make_unique<Watched>(*client, resource, ns, metrics, log));
    ASSERT_TRUE(all.back()->store.wait_ready(std::stop_token()));
  }
  const auto began = std::chrono::steady_clock::now();
  all.clear();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 20s) << "and not when the watches time out";
}

}  // namespace
}  // namespace oa::kube

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!std::getenv("KUBECONFIG")) {
    std::fprintf(stderr,
                 "KUBECONFIG must name the API server to test against: run this by "
                 "e2e/cluster/apiserver.py run --\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
