#include "libs/kube/request.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace oa::kube {
namespace {

using nlohmann::json;

std::string line(const HttpRequest& request) { return request.method + " " + target(request); }

const json kAgent{{"apiVersion", "openagents.com/v1"},
                  {"kind", "Agent"},
                  {"metadata", {{"namespace", "team"}, {"name", "a"}}}};

TEST(Paths, follow_the_group_and_the_scope) {
  EXPECT_EQ(collection_path(kAgents, ""), "/apis/openagents.com/v1/agents");
  EXPECT_EQ(collection_path(kAgents, "team"), "/apis/openagents.com/v1/namespaces/team/agents");
  EXPECT_EQ(collection_path(kPods, "team"), "/api/v1/namespaces/team/pods");
  EXPECT_EQ(object_path(kNamespaces, {"", "team"}), "/api/v1/namespaces/team");
  EXPECT_EQ(object_path(kAgents, {"team", "a"}, "status"),
            "/apis/openagents.com/v1/namespaces/team/agents/a/status");
}

TEST(GetRequest, names_the_object) {
  EXPECT_EQ(line(get_request(kServices, {"team", "a"})), "GET /api/v1/namespaces/team/services/a");
  EXPECT_TRUE(get_request(kServices, {"team", "a"}).repeatable);
}

TEST(ListRequest, encodes_selectors_and_limits) {
  EXPECT_EQ(
      line(list_request(kPods, {"", "app=x,tier in (a,b)", "spec.nodeName=n"}, {500, "", "", ""})),
      "GET "
      "/api/v1/"
      "pods?labelSelector=app%3Dx%2Ctier%20in%20%28a%2Cb%29&fieldSelector=spec.nodeName%3Dn&limit="
      "500");
}

TEST(ListRequest, asks_for_a_version_on_the_first_page_only) {
  EXPECT_EQ(line(list_request(kPods, {}, {0, "", "17", "NotOlderThan"})),
            "GET /api/v1/pods?resourceVersion=17&resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(line(list_request(kPods, {}, {500, "abc=", "17", "NotOlderThan"})),
            "GET /api/v1/pods?limit=500&continue=abc%3D");
}

TEST(WatchRequest, always_asks_for_bookmarks) {
  EXPECT_EQ(line(watch_request(kAgents, {"team", "", ""}, {"17", 321})),
            "GET "
            "/apis/openagents.com/v1/namespaces/team/"
            "agents?watch=true&allowWatchBookmarks=true&resourceVersion=17&timeoutSeconds=321");
}

TEST(ApplyRequest, is_a_strict_server_side_apply) {
  const HttpRequest request = apply_request(kAgents, kAgent, {"openagents-operator"});
  EXPECT_EQ(line(request),
            "PATCH "
            "/apis/openagents.com/v1/namespaces/team/agents/"
            "a?fieldManager=openagents-operator&fieldValidation=Strict&force=true");
  EXPECT_EQ(header(request.headers, "content-type"), "application/apply-patch+yaml");
  EXPECT_EQ(json::parse(request.body), kAgent);
  EXPECT_TRUE(request.repeatable);
}

TEST(ApplyRequest, reaches_the_status_without_force_or_for_show) {
  EXPECT_EQ(line(apply_request(kAgents, kAgent, {"m", false, true}, "status")),
            "PATCH "
            "/apis/openagents.com/v1/namespaces/team/agents/a/"
            "status?fieldManager=m&fieldValidation=Strict&dryRun=All");
}

TEST(PatchRequest, names_its_kind_of_patch) {
  const HttpRequest merge =
      patch_request(kPods, {"team", "a-0"}, PatchType::kMerge, json{{"x", 1}}, "m");
  EXPECT_EQ(line(merge),
            "PATCH /api/v1/namespaces/team/pods/a-0?fieldManager=m&fieldValidation=Strict");
  EXPECT_EQ(header(merge.headers, "Content-Type"), "application/merge-patch+json");
  EXPECT_EQ(merge.body, R"({"x":1})");
  EXPECT_FALSE(merge.repeatable);
  const HttpRequest steps =
      patch_request(kPods, {"team", "a-0"}, PatchType::kJson, json::array(), "m", "status");
  EXPECT_EQ(steps.path, "/api/v1/namespaces/team/pods/a-0/status");
  EXPECT_EQ(header(steps.headers, "Content-Type"), "application/json-patch+json");
}

TEST(CreateRequest, posts_to_the_collection_and_is_not_repeated) {
  const HttpRequest request = create_request(kAgents, kAgent, "m");
  EXPECT_EQ(
      line(request),
      "POST /apis/openagents.com/v1/namespaces/team/agents?fieldManager=m&fieldValidation=Strict");
  EXPECT_FALSE(request.repeatable);
}

TEST(ReplaceRequest, puts_the_object) {
  EXPECT_EQ(line(replace_request(kAgents, kAgent, "")),
            "PUT /apis/openagents.com/v1/namespaces/team/agents/a?fieldValidation=Strict");
}

TEST(DeleteRequest, carries_its_preconditions) {
  const HttpRequest request =
      delete_request(kStatefulSets, {"team", "a"}, {"Orphan", "u1", "17", 0});
  EXPECT_EQ(line(request), "DELETE /apis/apps/v1/namespaces/team/statefulsets/a");
  EXPECT_EQ(
      json::parse(request.body),
      json::parse(R"({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan",
      "gracePeriodSeconds": 0, "preconditions": {"uid": "u1", "resourceVersion": "17"}})"));
}

TEST(DeleteRequest, may_be_repeated_only_when_it_names_a_uid) {
  EXPECT_TRUE(delete_request(kPods, {"team", "a"}, {"", "u1", "", {}}).repeatable);
  EXPECT_FALSE(delete_request(kPods, {"team", "a"}, {}).repeatable);
}

TEST(Header, is_found_whatever_its_case) {
  EXPECT_EQ(header({{"Retry-After", "3"}}, "retry-after"), "3");
  EXPECT_EQ(header({{"Retry-After", "3"}}, "Retry"), "");
}

}  // namespace
}  // namespace oa::kube
