#include "runtime-pod/http/routes.h"

#include <set>

#include <gtest/gtest.h>

#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using Segments = std::vector<std::string>;

Match match(Mode mode, std::string_view method, const Segments& segments) {
  return Router(mode).match(method, segments);
}

TEST(Routes, lead_to_verbs_in_a_pod) {
  EXPECT_EQ(match(Mode::kPod, "POST", {"run"}).route->serve, run_agent);
  EXPECT_EQ(match(Mode::kPod, "GET", {"kv"}).route->serve, list_keys);
  const Match put = match(Mode::kPod, "PUT", {"kv", "a/b"});
  EXPECT_EQ(put.route->serve, put_key);
  EXPECT_EQ(put.parameter("key"), "a/b");
  EXPECT_EQ(match(Mode::kPod, "GET", {"agents"}).route, nullptr);
}

TEST(Routes, lead_to_agents_in_the_daemon) {
  const Match plain = match(Mode::kDaemon, "POST", {"agents", "my-agent", "run"});
  EXPECT_EQ(plain.route->serve, run_agent);
  EXPECT_EQ(plain.namespace_name, "default");
  EXPECT_EQ(plain.name, "my-agent");
  const Match spaced =
      match(Mode::kDaemon, "DELETE", {"namespaces", "team", "agents", "my-agent", "kv", "k"});
  EXPECT_EQ(spaced.route->serve, delete_key);
  EXPECT_EQ(spaced.namespace_name, "team");
  EXPECT_EQ(spaced.name, "my-agent");
  EXPECT_EQ(spaced.parameter("key"), "k");
  EXPECT_EQ(match(Mode::kDaemon, "POST", {"run"}).route, nullptr);
  EXPECT_EQ(match(Mode::kDaemon, "POST", {"namespaces", "team", "agents"}).route->serve,
            create_agent);
}

TEST(Routes, tell_the_methods_of_a_path_that_has_others) {
  const Match wrong = match(Mode::kPod, "PATCH", {"kv", "k"});
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_EQ(wrong.allow, "GET, PUT, DELETE");
  EXPECT_EQ(match(Mode::kPod, "GET", {"nothing"}).allow, "");
}

TEST(Routes, have_few_labels_and_no_path_twice) {
  std::set<std::string_view> labels;
  for (const Route& route : routes()) labels.insert(route_label(route));
  EXPECT_EQ(labels.count("/agents/{name}"), 1u);
  EXPECT_EQ(labels.count("/kv/{key}"), 1u);
  std::set<std::string> seen;
  for (const ServedPath& served : served_paths(Mode::kDaemon)) {
    EXPECT_TRUE(seen.insert(std::string(served.route->method) + " " + served.path).second);
  }
}

}  // namespace
}  // namespace oa::runtime
