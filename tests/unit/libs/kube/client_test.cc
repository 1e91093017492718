#include "libs/kube/client.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"
#include "tests/support/kube_client.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using test::answer;
using test::ScriptedClient;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

const ObjectKey kKey{"team", "a"};
const char* const kGet = "GET /api/v1/namespaces/team/pods/a";
const char* const kPost = "POST /api/v1/namespaces/team/pods?fieldManager=m&fieldValidation=Strict";
const char* const kApply =
    "PATCH /api/v1/namespaces/team/pods/a?fieldManager=m&fieldValidation=Strict&force=true";
const char* const kDelete = "DELETE /api/v1/namespaces/team/pods/a";
const json kPod{
    {"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"namespace", "team"}, {"name", "a"}}}};
const std::string kBody = kPod.dump();

Error lost() {
  return make_error(Code::kUnavailable, std::string(reason::kConnectionLost), "gone");
}
Error refused() {
  return make_error(Code::kUnavailable, std::string(reason::kConnectionRefused), "refused");
}

TEST(Client, sends_who_it_is_and_gets_an_object) {
  ScriptedClient c({{kGet, answer(200, kBody),
                     [](const HttpRequest& r) {
                       EXPECT_EQ(header(r.headers, "Authorization"), "Bearer token-1");
                       EXPECT_EQ(header(r.headers, "User-Agent"), "test");
                       EXPECT_EQ(header(r.headers, "Impersonate-User"), "boss");
                     }}},
                   [] {
                     ClientOptions o;
                     o.headers = {{"Impersonate-User", "boss"}};
                     return o;
                   }());
  const auto pod = c.client->get(kPods, kKey);
  ASSERT_TRUE(pod) << pod.error().detail;
  EXPECT_EQ(pod->name(), "a");
}

TEST(Client, turns_a_refusal_into_an_error) {
  ScriptedClient c(
      {{kGet,
        answer(404,
               R"({"kind": "Status", "reason": "NotFound", "message": "pods \"a\" not found"})")}});
  const auto pod = c.client->get(kPods, kKey);
  ASSERT_FALSE(pod);
  EXPECT_EQ(to_string(pod.error()),
            "NOT_FOUND (NotFound): GET /api/v1/namespaces/team/pods/a: pods \"a\" not found");
}

TEST(Client, does_not_take_a_proxys_page_for_an_object) {
  ScriptedClient c({{kGet, answer(200, "<html>")}, {kGet, answer(200, "[]")}, {kGet, answer(302)}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.client->get(kPods, kKey).error().reason, "BadAnswer");
}

TEST(Client, tries_once_with_fresh_credentials_after_401) {
  const auto carries = [](const char* token) {
    return [token](const HttpRequest& r) { EXPECT_EQ(header(r.headers, "Authorization"), token); };
  };
  ScriptedClient good({{kGet, answer(401), carries("Bearer token-1")},
                       {kGet, answer(200, kBody), carries("Bearer token-2")}});
  EXPECT_TRUE(good.client->get(kPods, kKey));
  EXPECT_THAT(good.waiter->waits(), IsEmpty());
  ScriptedClient bad({{kGet, answer(401)}, {kGet, answer(401)}});
  EXPECT_EQ(bad.client->get(kPods, kKey).error().code, Code::kUnauthenticated);
}

TEST(Client, retries_429_and_5xx_that_say_when) {
  for (const int status : {429, 500, 503, 504}) {
    ScriptedClient c(
        {{kPost, answer(status, "{}", {{"Retry-After", "3"}})}, {kPost, answer(201, kBody)}});
    EXPECT_TRUE(c.client->create(kPods, kPod, "m")) << status;
    EXPECT_THAT(c.waiter->waits(), ElementsAre(3s));
  }
}

TEST(Client, does_not_retry_what_does_not_say_when) {
  for (const int status : {429, 500, 503, 422, 409, 403}) {
    ScriptedClient c({{kApply, answer(status)}});
    EXPECT_FALSE(c.client->apply(kPods, kPod, {"m"})) << status;
  }
}

TEST(Client, gives_up_after_ten_retries) {
  std::vector<test::Exchange> script(11, {kGet, answer(429, "{}", {{"Retry-After", "0"}})});
  ScriptedClient c(script);
  EXPECT_EQ(c.client->get(kPods, kKey).error().code, Code::kRateLimited);
  EXPECT_THAT(c.waiter->waits(),
              ElementsAre(100ms, 200ms, 400ms, 800ms, 1600ms, 2s, 2s, 2s, 2s, 2s));
}

TEST(Client, waits_the_longer_of_back_off_and_retry_after) {
  ScriptedClient c({{kGet, answer(503, "{}", {{"Retry-After", "1"}})},
                    {kGet, answer(503, "{}", {{"Retry-After", "0"}})},
                    {kGet, answer(200, kBody)}});
  EXPECT_TRUE(c.client->get(kPods, kKey));
  EXPECT_THAT(c.waiter->waits(), ElementsAre(1s, 200ms));
}

TEST(Client, repeats_what_is_safe_to_repeat_on_a_broken_connection) {
  ScriptedClient get({{kGet, lost()}, {kGet, refused()}, {kGet, answer(200, kBody)}});
  EXPECT_TRUE(get.client->get(kPods, kKey));
  ScriptedClient apply({{kApply, lost()}, {kApply, answer(200, kBody)}});
  EXPECT_TRUE(apply.client->apply(kPods, kPod, {"m"}));
  ScriptedClient remove({{kDelete, lost()}, {kDelete, answer(200)}});
  EXPECT_TRUE(remove.client->remove(kPods, kKey, {"", "u1", "", {}}));
}

TEST(Client, does_not_repeat_a_post_whose_fate_is_unknown) {
  ScriptedClient c({{kPost, lost()}, {kDelete, lost()}});
  const auto created = c.client->create(kPods, kPod, "m");
  EXPECT_EQ(created.error().reason, reason::kConnectionLost);
  EXPECT_THAT(created.error().detail, HasSubstr("POST /api/v1/namespaces/team/pods"));
  EXPECT_FALSE(c.client->remove(kPods, kKey, {}));
}

TEST(Client, does_not_repeat_a_time_out) {
  ScriptedClient c({{kGet, make_error(Code::kTimeout, "slow")}});
  EXPECT_EQ(c.client->get(kPods, kKey).error().code, Code::kTimeout);
}

TEST(Client, takes_an_absent_object_for_removed) {
  ScriptedClient c({{kDelete, answer(404)}, {kDelete, answer(409)}});
  EXPECT_TRUE(c.client->remove(kPods, kKey, {}));
  EXPECT_EQ(c.client->remove(kPods, kKey, {}).error().code, Code::kConflict);
}

TEST(Client, obeys_the_limits_of_a_single_call) {
  ScriptedClient c({{kGet, answer(429, "{}", {{"Retry-After", "1"}})}});
  CallOptions once;
  once.max_retries = 0;
  EXPECT_FALSE(c.client->get(kPods, kKey, once));
}

TEST(Client, holds_requests_back_to_its_rate) {
  ClientOptions options;
  options.qps = 10;
  options.burst = 2;
  ScriptedClient c(std::vector<test::Exchange>(5, {kGet, answer(200, kBody)}), options);
  for (int i = 0; i < 4; ++i) c.client->get(kPods, kKey).ok();
  EXPECT_THAT(c.waiter->waits(), ElementsAre(100ms, 100ms));
  CallOptions urgent;
  urgent.rate_limited = false;
  EXPECT_TRUE(c.client->get(kPods, kKey, urgent));
  EXPECT_THAT(c.waiter->waits(), SizeIs(2));
}

TEST(Client, ends_a_call_at_once_when_stopped) {
  std::stop_source whole;
  ClientOptions options;
  options.stop = whole.get_token();
  ScriptedClient c({{kGet, test::Hang{}}, {kGet, test::Hang{}}}, options);
  std::stop_source one;
  std::jthread stopper([&] { one.request_stop(); });
  CallOptions call;
  call.stop = one.get_token();
  EXPECT_EQ(c.client->get(kPods, kKey, call).error().reason, reason::kCancelled);
  std::jthread closer([&] { whole.request_stop(); });
  EXPECT_EQ(c.client->get(kPods, kKey).error().reason, reason::kCancelled);
}

TEST(Client, stops_retrying_when_stopped) {
  std::stop_source stop;
  ScriptedClient c({{kGet, answer(429, "{}", {{"Retry-After", "1"}}),
                     [&](const HttpRequest&) { stop.request_stop(); }}});
  CallOptions call;
  call.stop = stop.get_token();
  EXPECT_EQ(c.client->get(kPods, kKey, call).error().reason, reason::kCancelled);
}

TEST(Client, logs_each_warning_of_the_server_once) {
  const Headers headers{{"Warning", R"(299 - "old \"version\"", 299 - "unknown field")"},
                        {"Warning", R"(299 - "unknown field")"}};
  ScriptedClient c({{kGet, answer(200, kBody, headers)}, {kGet, answer(200, kBody, headers)}});
  c.client->get(kPods, kKey).ok();
  c.client->get(kPods, kKey).ok();
  EXPECT_THAT(c.log_lines(),
              ElementsAre(HasSubstr(R"(old \"version\")"), HasSubstr("unknown field")));
}

TEST(Client, counts_requests_by_code_and_method) {
  ScriptedClient c({{kGet, answer(200, kBody)}, {kGet, answer(404)}, {kPost, lost()}});
  c.client->get(kPods, kKey).ok();
  c.client->get(kPods, kKey).ok();
  c.client->create(kPods, kPod, "m").ok();
  const std::string text = c.metrics.text();
  for (const char* line : {"rest_client_requests_total{code=\"200\",method=\"GET\"} 1",
                           "rest_client_requests_total{code=\"404\",method=\"GET\"} 1",
                           "rest_client_requests_total{code=\"<error>\",method=\"POST\"} 1",
                           "rest_client_request_duration_seconds_count{method=\"GET\"} 2"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ClientList, reads_a_page_and_fills_in_what_lists_leave_out) {
  ScriptedClient c(
      {{"GET /api/v1/pods?limit=2", answer(200, R"({"kind": "PodList", "apiVersion": "v1",
      "metadata": {"resourceVersion": "17", "continue": "c1", "extra": {"x": 1}},
      "items": [{"metadata": {"name": "a", "managedFields": []}, "spec": {"nodeName": "n", "volumes": [{"name": "v"}]}},
                {"metadata": {"name": "b"}}]})")}});
  const auto page = c.client->list(kPods, {}, {2, "", "", ""}, keep_fields({"/spec/nodeName"}));
  ASSERT_TRUE(page) << page.error().detail;
  EXPECT_EQ(page->resource_version, "17");
  EXPECT_EQ(page->continue_token, "c1");
  ASSERT_THAT(page->items, SizeIs(2));
  EXPECT_EQ(
      page->items[0].json(),
      json::parse(
          R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"nodeName": "n"}})"));
  EXPECT_EQ(page->items[1].name(), "b");
}

TEST(ClientList, takes_no_items_for_an_empty_page) {
  ScriptedClient c({{"GET /api/v1/pods",
                     answer(200, R"({"metadata": {"resourceVersion": "17"}, "items": null})")}});
  EXPECT_THAT(c.client->list(kPods, {}, {})->items, IsEmpty());
}

TEST(ClientList, refuses_a_table_and_what_is_no_list) {
  ScriptedClient c(
      {{"GET /api/v1/pods", answer(200, R"({"kind": "Table", "metadata": {}, "rows": []})")},
       {"GET /api/v1/pods", answer(200, R"({"items": []})")},
       {"GET /api/v1/pods", answer(200, R"({"metadata": {}, "items": [{"metadata": {)")}});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.client->list(kPods, {}, {}).error().reason, "BadAnswer");
}

const char* const kWatch =
    "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=17&timeoutSeconds=300";

TEST(ClientWatch, opens_a_stream) {
  ScriptedClient c({{kWatch, test::Streamed{{std::string("abc")}}}});
  const WatchStart start = c.client->watch(kPods, {}, {"17", 300}, 305s, {});
  ASSERT_TRUE(start.stream);
  EXPECT_EQ(*start.stream->read(1s), "abc");
  EXPECT_EQ(*start.stream->read(1s), "");
}

TEST(ClientWatch, tells_why_it_was_refused_and_for_how_long) {
  ScriptedClient c(
      {{kWatch,
        answer(429, R"({"kind": "Status", "reason": "TooManyRequests", "message": "slow down"})",
               {{"Retry-After", "7"}})}});
  const WatchStart start = c.client->watch(kPods, {}, {"17", 300}, 305s, {});
  EXPECT_FALSE(start.stream);
  EXPECT_EQ(start.error.code, Code::kRateLimited);
  EXPECT_THAT(start.error.detail, HasSubstr("slow down"));
  EXPECT_EQ(start.retry_after, 7s);
}

TEST(ClientWatch, tries_once_with_fresh_credentials_after_401) {
  ScriptedClient c({{kWatch, answer(401)}, {kWatch, test::Streamed{}, [](const HttpRequest& r) {
                                              EXPECT_EQ(header(r.headers, "Authorization"),
                                                        "Bearer token-2");
                                            }}});
  EXPECT_TRUE(c.client->watch(kPods, {}, {"17", 300}, 305s, {}).stream);
}

}  // namespace
}  // namespace oa::kube
