#include "libs/kube/apply_match.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace oa::kube {
namespace {

using nlohmann::json;

json desired() {
  return with_applied_hash(json::parse(R"({
    "apiVersion": "apps/v1", "kind": "StatefulSet",
    "metadata": {"name": "a", "namespace": "n", "labels": {"x": "y"},
                 "ownerReferences": [{"uid": "u1", "name": "a", "controller": true}]},
    "spec": {"replicas": 1, "template": {"spec": {
      "securityContext": {},
      "tolerations": [],
      "containers": [{"name": "agent", "image": "i:1",
                      "ports": [{"name": "http", "containerPort": 8080}],
                      "command": ["a", "b"],
                      "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}],
      "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}}]}}}})"));
}

// What the server makes of it: defaults, canonical quantities, others' additions.
json live() {
  json object = desired();
  object["metadata"]["uid"] = "u0";
  object["metadata"]["labels"]["other"] = "z";
  object["metadata"]["annotations"]["theirs"] = "1";
  object["spec"]["podManagementPolicy"] = "OrderedReady";
  json& pod = object["spec"]["template"]["spec"];
  pod.erase("tolerations");
  pod["restartPolicy"] = "Always";
  json& container = pod["containers"][0];
  container["terminationMessagePath"] = "/dev/termination-log";
  container["ports"][0]["protocol"] = "TCP";
  container["resources"]["limits"]["cpu"] = "1";
  pod["volumes"][0]["emptyDir"]["sizeLimit"] = "1Gi";
  pod["containers"].push_back({{"name", "injected"}});
  return object;
}

TEST(AlreadyApplied, is_so_for_what_the_server_made_of_it) {
  EXPECT_EQ(first_difference(desired(), live()), "");
  EXPECT_TRUE(already_applied(desired(), live()));
}

TEST(AlreadyApplied, is_not_so_for_any_change_of_a_wanted_value) {
  const struct {
    const char* pointer;
    json value;
    const char* difference;
  } rows[] = {
      {"/spec/replicas", 0, "/spec/replicas"},
      {"/metadata/labels/x", "other", "/metadata/labels/x"},
      {"/spec/template/spec/containers/0/image", "i:2",
       "/spec/template/spec/containers[name=agent]/image"},
      {"/spec/template/spec/containers/0/ports/0/containerPort", 81,
       "/spec/template/spec/containers[name=agent]/ports[name=http]/containerPort"},
      {"/spec/template/spec/containers/0/command", json{"a"},
       "/spec/template/spec/containers[name=agent]/command"},
      {"/spec/template/spec/containers/0/command/1", "c",
       "/spec/template/spec/containers[name=agent]/command[1]"},
      {"/spec/template/spec/containers/0/resources/limits/cpu", "1001m",
       "/spec/template/spec/containers[name=agent]/resources/limits/cpu"},
      {"/spec/template/spec/containers/0/name", "renamed",
       "/spec/template/spec/containers[name=agent]"},
      {"/spec/template/spec/tolerations", json{{{"key", "gpu"}}},
       "/spec/template/spec/tolerations"},
      {"/metadata/ownerReferences/0/controller", false,
       "/metadata/ownerReferences[uid=u1]/controller"},
  };
  for (const auto& row : rows) {
    json changed = live();
    changed[json::json_pointer(row.pointer)] = row.value;
    EXPECT_EQ(first_difference(desired(), changed), row.difference) << row.pointer;
    EXPECT_FALSE(already_applied(desired(), changed)) << row.pointer;
  }
}

TEST(AlreadyApplied, is_not_so_when_something_applied_before_is_not_wanted_any_more) {
  json less = desired();
  less["metadata"]["labels"] = json::object();
  less = with_applied_hash(less);
  json stripped = live();
  EXPECT_FALSE(already_applied(less, stripped))
      << "the label must be taken back, though nothing is missing";
}

TEST(AlreadyApplied, is_not_so_for_an_object_that_we_never_applied) {
  json foreign = live();
  foreign["metadata"].erase("annotations");
  EXPECT_FALSE(already_applied(desired(), foreign));
}

TEST(AppliedHash, depends_on_content_and_not_on_itself) {
  EXPECT_EQ(with_applied_hash(desired()), desired());
  json other = desired();
  other["spec"]["replicas"] = 0;
  const auto hash = [](const json& object) {
    return object["metadata"]["annotations"][std::string(kAppliedHash)];
  };
  EXPECT_NE(hash(with_applied_hash(other)), hash(desired()));
  EXPECT_EQ(hash(desired()).get<std::string>().size(), 32U);
}

TEST(FirstDifference, takes_absent_null_and_empty_for_the_same) {
  const json full = json::parse(R"({"a": {}, "b": [], "c": null, "d": {"e": {}}})");
  EXPECT_EQ(first_difference(full, json::parse(R"({"d": {}})")), "");
  EXPECT_EQ(first_difference(full, json::parse(R"({"a": [], "b": null, "d": {"e": null}})")), "");
  EXPECT_EQ(first_difference(full, json::object()), "/d") << "d has something in it";
}

TEST(FirstDifference, tells_items_apart_by_the_first_key_that_can) {
  const json ports = json::parse(R"({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 81}]})");
  EXPECT_EQ(
      first_difference(
          ports,
          json::parse(
              R"({"ports": [{"port": 81}, {"port": 80, "protocol": "TCP", "nodePort": 3}]})")),
      "");
  EXPECT_EQ(
      first_difference(
          ports, json::parse(R"({"ports": [{"port": 80, "protocol": "UDP"}, {"port": 81}]})")),
      "/ports[port=80]/protocol");
  // The same port twice: by index then, and in full length.
  const json twice = json::parse(
      R"({"ports": [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]})");
  EXPECT_EQ(first_difference(twice, twice), "");
  EXPECT_EQ(first_difference(twice, json::parse(R"({"ports": [{"port": 53, "protocol": "TCP"}]})")),
            "/ports");
}

TEST(FirstDifference, does_not_let_the_server_add_to_an_empty_or_plain_list) {
  EXPECT_EQ(
      first_difference(json::parse(R"({"ingress": []})"), json::parse(R"({"ingress": [{}]})")),
      "/ingress");
  EXPECT_EQ(
      first_difference(json::parse(R"({"args": ["a"]})"), json::parse(R"({"args": ["a", "b"]})")),
      "/args");
}

TEST(FirstDifference, takes_finalizers_for_a_set) {
  const json ours = json::parse(R"({"metadata": {"finalizers": ["ours"]}})");
  EXPECT_EQ(
      first_difference(ours, json::parse(R"({"metadata": {"finalizers": ["theirs", "ours"]}})")),
      "");
  EXPECT_EQ(first_difference(ours, json::parse(R"({"metadata": {"finalizers": ["theirs"]}})")),
            "/metadata/finalizers");
}

TEST(FirstDifference, compares_quantities_by_value_only_where_they_are_quantities) {
  const auto with = [](const char* field, const char* text) {
    return json{{field, {{"x", text}}}};
  };
  EXPECT_EQ(first_difference(with("requests", "1024Mi"), with("requests", "1Gi")), "");
  EXPECT_EQ(first_difference(with("requests", "1"), json{{"requests", {{"x", 1}}}}), "");
  EXPECT_EQ(first_difference(with("labels", "1024Mi"), with("labels", "1Gi")), "/labels/x");
}

TEST(FirstDifference, finds_conditions_by_type) {
  const json status =
      json::parse(R"({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})");
  EXPECT_EQ(first_difference(status, json::parse(R"({"status": {"conditions":
      [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True", "message": "m"}]}})")),
            "");
  EXPECT_EQ(
      first_difference(
          status,
          json::parse(R"({"status": {"conditions": [{"type": "Ready", "status": "False"}]}})")),
      "/status/conditions[type=Ready]/status");
}

}  // namespace
}  // namespace oa::kube
