#include "libs/kube/object.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/text.h"

namespace oa::kube {
namespace {

using nlohmann::json;

const char* const kPod = R"({
  "apiVersion": "v1", "kind": "Pod",
  "metadata": {
    "name": "a-0", "namespace": "team", "uid": "u1", "resourceVersion": "12", "generation": 3,
    "labels": {"app.kubernetes.io/name": "agent"},
    "annotations": {"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    "managedFields": [{"manager": "kubectl"}],
    "creationTimestamp": "2026-11-21T08:00:00Z",
    "ownerReferences": [
      {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "u8"},
      {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": "u9", "controller": true}]
  },
  "spec": {"replicas": 1, "paused": true, "containers": [{"name": "main"}, {"name": "side"}]},
  "status": {"conditions": [
    {"type": "Ready", "status": "True", "reason": "Up", "message": "m", "observedGeneration": 2,
     "lastTransitionTime": "2026-11-21T09:00:00Z"}]}
})";

TEST(Object, reads_its_metadata) {
  const Object pod(json::parse(kPod));
  EXPECT_EQ(pod.api_version(), "v1");
  EXPECT_EQ(pod.kind(), "Pod");
  EXPECT_EQ(pod.key(), (ObjectKey{"team", "a-0"}));
  EXPECT_EQ(to_string(pod.key()), "team/a-0");
  EXPECT_EQ(pod.uid(), "u1");
  EXPECT_EQ(pod.resource_version(), "12");
  EXPECT_EQ(pod.generation(), 3);
  EXPECT_EQ(pod.label("app.kubernetes.io/name"), "agent");
  EXPECT_EQ(pod.label("absent"), std::nullopt);
  EXPECT_EQ(pod.annotation("note"), "x");
  EXPECT_EQ(pod.creation_time(), *parse_time("2026-11-21T08:00:00Z"));
  EXPECT_FALSE(pod.deleting());
  EXPECT_EQ(pod.deletion_time(), std::nullopt);
}

TEST(Object, finds_the_owner_that_controls_it) {
  EXPECT_EQ(Object(json::parse(kPod)).controller(),
            (Controller{"apps/v1", "StatefulSet", "a", "u9"}));
  EXPECT_EQ(Object(json::object()).controller(), std::nullopt);
}

TEST(Object, finds_a_condition_by_type) {
  const Object pod(json::parse(kPod));
  const auto ready = pod.condition("Ready");
  ASSERT_TRUE(ready);
  EXPECT_EQ(*ready,
            (Condition{"Ready", "True", "Up", "m", 2, *parse_time("2026-11-21T09:00:00Z")}));
  EXPECT_EQ(pod.condition("Hibernated"), std::nullopt);
}

TEST(Object, reads_by_json_pointer) {
  const Object pod(json::parse(kPod));
  EXPECT_EQ(pod.integer("/spec/replicas"), 1);
  EXPECT_EQ(pod.boolean("/spec/paused"), true);
  EXPECT_EQ(pod.text("/spec/containers/1/name"), "side");
  EXPECT_EQ(pod.text("/metadata/labels/app.kubernetes.io~1name"), "agent");
  EXPECT_EQ(pod.at(""), &pod.json());
}

TEST(Object, reads_what_is_absent_or_of_another_type_as_nothing) {
  const Object pod(json::parse(kPod));
  EXPECT_EQ(pod.at("/spec/containers/2"), nullptr);
  EXPECT_EQ(pod.at("/spec/containers/x"), nullptr);
  EXPECT_EQ(pod.at("spec"), nullptr);
  EXPECT_EQ(pod.text("/spec/replicas"), "");
  EXPECT_EQ(pod.integer("/metadata/name"), std::nullopt);
  EXPECT_EQ(Object(json("text")).name(), "");
  EXPECT_EQ(Object(json{{"status", {{"conditions", "x"}}}}).condition("Ready"), std::nullopt);
}

TEST(Object, knows_a_bookmark_by_its_few_fields) {
  const Object bookmark(json{{"kind", "Pod"}, {"metadata", {{"resourceVersion", "99"}}}});
  EXPECT_EQ(bookmark.resource_version(), "99");
  EXPECT_EQ(bookmark.name(), "");
  EXPECT_EQ(bookmark.generation(), 0);
}

TEST(StripBookkeeping, removes_managed_fields_and_the_last_applied_configuration) {
  json document = json::parse(kPod);
  strip_bookkeeping(document);
  EXPECT_FALSE(document["metadata"].contains("managedFields"));
  EXPECT_EQ(document["metadata"]["annotations"], (json{{"note", "x"}}));
  json bare{{"metadata",
             {{"annotations", {{"kubectl.kubernetes.io/last-applied-configuration", "{}"}}}}}};
  strip_bookkeeping(bare);
  EXPECT_FALSE(bare["metadata"].contains("annotations"));
}

TEST(KeepFields, keeps_metadata_and_the_named_pointers_only) {
  json document = json::parse(kPod);
  keep_fields({"/spec/replicas", "/status", "/spec/absent"})(document);
  EXPECT_EQ(document["spec"], (json{{"replicas", 1}}));
  EXPECT_TRUE(document["status"].contains("conditions"));
  EXPECT_EQ(document["metadata"]["name"], "a-0");
  EXPECT_EQ(document["kind"], "Pod");
}

TEST(CompareVersions, orders_digit_strings_of_any_length) {
  EXPECT_EQ(compare_versions("10", "9"), VersionOrder::kNewer);
  EXPECT_EQ(compare_versions("9", "10"), VersionOrder::kOlder);
  EXPECT_EQ(compare_versions("10", "10"), VersionOrder::kSame);
  EXPECT_EQ(compare_versions("340282366920938463463374607431768211455", "99999999999999999999"),
            VersionOrder::kNewer);
}

TEST(CompareVersions, does_not_order_anything_else) {
  for (const char* odd : {"", "0", "007", "1a", "-1", "v2"}) {
    EXPECT_EQ(compare_versions(odd, "5"), VersionOrder::kUnknown) << odd;
    EXPECT_EQ(compare_versions("5", odd), VersionOrder::kUnknown) << odd;
    EXPECT_EQ(compare_versions(odd, odd), VersionOrder::kSame) << odd;
  }
}

}  // namespace
}  // namespace oa::kube
