#include "libs/kube/reflector.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"
#include "tests/support/kube_client.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using test::answer;
using test::Hang;
using test::ScriptedClient;
using test::Streamed;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

const std::string kList = "GET /api/v1/namespaces/n/pods?limit=500";
const std::string kRelist = "GET /api/v1/namespaces/n/pods?resourceVersion=";

std::string watch(const std::string& version) {
  return "GET /api/v1/namespaces/n/pods?watch=true&allowWatchBookmarks=true&resourceVersion=" +
         version + "&timeoutSeconds=300";
}

json pod(const std::string& name, const std::string& version, const std::string& uid = "u") {
  return {{"metadata",
           {{"namespace", "n"},
            {"name", name},
            {"uid", uid},
            {"resourceVersion", version},
            {"managedFields", json::array()}}}};
}

HttpResponse page(const std::string& version, const std::vector<json>& items,
                  const std::string& token = {}) {
  return answer(
      200, json{{"metadata", {{"resourceVersion", version}, {"continue", token}}}, {"items", items}}
               .dump());
}

std::string event(const std::string& type, const json& object) {
  return json{{"type", type}, {"object", object}}.dump() + "\n";
}

struct Fixture {
  explicit Fixture(std::vector<test::Exchange> script) : client(std::move(script)) {}

  void play() {
    reflector.start();
    client.transport->wait_played();
  }
  // Waits until so many changes have been told.
  std::vector<std::string> changes(std::size_t count) {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(told.wait_for(lock, 30s, [&] { return seen.size() >= count; }));
    return seen;
  }

  ScriptedClient client;
  Store store;
  std::mutex mutex;
  std::condition_variable told;
  std::vector<std::string> seen;
  Reflector reflector{*client.client,
                      kPods,
                      {"n", "", ""},
                      store,
                      [this](const StoreChange& change) {
                        std::lock_guard lock(mutex);
                        seen.push_back((change.after ? "+" : "-") + change.key.name);
                        told.notify_all();
                      },
                      client.metrics,
                      client.log};
};

TEST(Reflector, lists_in_pages_and_then_follows_events) {
  Fixture f({{kList, page("10", {pod("a", "1")}, "c1")},
             {"GET /api/v1/namespaces/n/pods?limit=500&continue=c1", page("10", {pod("b", "2")})},
             {watch("10"), Streamed{{event("ADDED", pod("c", "11")),
                                     event("DELETED", pod("a", "12")), Hang{}}}}});
  f.play();
  EXPECT_THAT(f.changes(4), ElementsAre("+a", "+b", "+c", "-a"));
  EXPECT_TRUE(f.store.ready());
  EXPECT_EQ(f.store.size(), 2U);
  EXPECT_EQ(f.store.get({"n", "b"})->at("/metadata/managedFields"), nullptr);
  EXPECT_EQ(f.store.get({"n", "b"})->kind(), "Pod");
  f.reflector.stop();
  const std::string text = f.client.metrics.text();
  EXPECT_THAT(text, HasSubstr("openagents_kube_lists_total{resource=\"pods\"} 1"));
  EXPECT_THAT(text, HasSubstr("openagents_kube_watches_total{resource=\"pods\"} 1"));
}

TEST(Reflector, resumes_where_a_cut_connection_left_it) {
  const std::string added = event("ADDED", pod("a", "11"));
  Fixture f(
      {{kList, page("10", {})},
       {watch("10"), Streamed{{added.substr(0, 20), added.substr(20),
                               event("ADDED", pod("half", "12")).substr(0, 30)}}},
       {watch("11"), make_error(Code::kUnavailable, std::string(reason::kConnectionRefused), "x")},
       {watch("11"), Streamed{{event("ADDED", pod("b", "12")), Hang{}}}}});
  f.play();
  EXPECT_THAT(f.changes(2), ElementsAre("+a", "+b"));
  f.reflector.stop();
}

TEST(Reflector, reports_after_a_gap_what_was_deleted_meanwhile) {
  Fixture f({{kList, page("10", {pod("a", "1"), pod("b", "2")})},
             {watch("10"), answer(410)},
             {kList, page("20", {pod("b", "2"), pod("c", "15")})},
             {watch("20"), Hang{}}});
  f.play();
  EXPECT_THAT(f.changes(4), ElementsAre("+a", "+b", "+c", "-a"));
  f.reflector.stop();
}

TEST(Reflector, waits_until_a_resource_appears) {
  Fixture f({{kList, answer(404)},
             {kList, answer(404)},
             {kList, page("10", {pod("a", "1")})},
             {watch("10"), Hang{}}});
  f.play();
  EXPECT_THAT(f.changes(1), ElementsAre("+a"));
  EXPECT_THAT(f.client.waiter->waits(), ElementsAre(800ms, 1600ms));
  f.reflector.stop();
}

TEST(Reflector, takes_an_error_event_for_what_it_says) {
  const std::string expired =
      event("ERROR", json{{"kind", "Status"}, {"code", 410}, {"reason", "Expired"}});
  Fixture f({{kList, page("10", {})},
             {watch("10"),
              Streamed{{event("BOOKMARK", {{"metadata", {{"resourceVersion", "12"}}}}), expired}}},
             {kList, page("20", {pod("a", "1")})},
             {watch("20"), Hang{}}});
  f.play();
  EXPECT_THAT(f.changes(1), ElementsAre("+a"));
  f.reflector.stop();
}

TEST(Reflector, lists_again_when_the_stream_is_garbage) {
  Fixture f({{kList, page("10", {})},
             {watch("10"), Streamed{{event("BOOKMARK", {{"metadata", {{"resourceVersion", "12"}}}}),
                                     std::string("<html>")}}},
             {kRelist + "12", page("20", {})},
             {watch("20"), Streamed{{event("BOOKMARK", {{"metadata", {{"resourceVersion", "22"}}}}),
                                     std::string("{\"type\": 7}")}}},
             {kRelist + "22", page("30", {})},
             {watch("30"), Hang{}}});
  f.play();
  f.reflector.stop();
}

TEST(Reflector, stops_at_once_in_the_middle_of_anything) {
  const std::vector<std::vector<test::Exchange>> scripts{
      {{kList, Hang{}}},
      {{kList, page("10", {})}, {watch("10"), Hang{}}},
      {{kList, page("10", {})}, {watch("10"), Streamed{{Hang{}}}}},
  };
  for (const auto& script : scripts) {
    Fixture f(script);
    f.play();
    f.reflector.stop();
    f.reflector.stop();
  }
}

TEST(Reflector, can_be_dropped_without_having_been_started) { Fixture f({}); }

}  // namespace
}  // namespace oa::kube
