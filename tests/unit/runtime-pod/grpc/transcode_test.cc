#include "runtime-pod/grpc/transcode.h"

#include <google/protobuf/descriptor.h>
#include <openagents/runtime/v1/options.pb.h>
#include <openagents/runtime/v1/runtime.pb.h>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "runtime-pod/http/routes.h"

namespace oa::runtime {
namespace {

namespace v1 = openagents::runtime::v1;

const google::protobuf::MethodDescriptor& rpc(const std::string& name) {
  return *v1::RunRequest::descriptor()->file()->service(0)->FindMethodByName(name);
}

const std::optional<AgentId> kDaemon;

// What is served over HTTP only, and why.
const std::set<std::pair<std::string, std::string>> kHttpOnly = {
    // Their senders speak HTTP, and what is signed is its bytes.
    {"POST", "/webhooks/{}"},
    {"POST", "/events"},
    {"OPTIONS", "/events"},
    // A WebSocket.
    {"GET", "/ws"},
    // Archives are larger than messages may be.
    {"GET", "/export"},
    {"POST", "/import"},
};

// "/kv/{}" of "/kv/{key}?x=y"
std::string shape(std::string_view path) {
  std::string out;
  bool in_braces = false;
  for (const char c : path.substr(0, path.find('?'))) {
    if (c == '{') out += "{}";
    in_braces = c == '{' || (in_braces && c != '}');
    if (!in_braces && c != '}') out += c;
  }
  return out;
}

TEST(Rpcs, there_is_one_for_every_route_of_an_agent_and_none_more) {
  std::set<std::pair<std::string, std::string>> routed, called;
  for (const Route& route : routes()) {
    if (route.scope == Scope::kProcess) continue;
    const std::string prefix = route.scope == Scope::kAgents ? "/agents" : "";
    routed.emplace(route.method, shape(prefix + std::string(route.path)));
  }
  const auto& service = *v1::RunRequest::descriptor()->file()->service(0);
  for (int i = 0; i < service.method_count(); ++i) {
    const v1::HttpRule& rule = service.method(i)->options().GetExtension(v1::http);
    called.emplace(rule.method(), shape(rule.path()));
  }
  for (const auto& route : kHttpOnly) {
    EXPECT_TRUE(routed.erase(route)) << route.first << " " << route.second;
  }
  EXPECT_EQ(routed, called);
}

TEST(Transcode, a_message_becomes_the_request_of_its_options) {
  v1::PutKeyRequest message;
  message.set_namespace_("team");
  message.set_agent("my-agent");
  message.set_key("a/b c");
  message.set_body(std::string("\0\xff", 2));
  message.set_content_type("image/png");
  const auto request = to_http(rpc("PutKey"), message, kDaemon);
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->method, "PUT");
  EXPECT_EQ(request->target, "/namespaces/team/agents/my-agent/kv/a%2Fb%20c");
  EXPECT_EQ(request->headers.get("Content-Type"), "image/png");
  EXPECT_FALSE(request->headers.find("If-Match"));
  EXPECT_EQ(request->body, std::string("\0\xff", 2));
}

TEST(Transcode, what_is_not_set_is_not_said) {
  v1::ListKeysRequest message;
  message.set_agent("a");
  EXPECT_EQ(to_http(rpc("ListKeys"), message, kDaemon)->target, "/namespaces/default/agents/a/kv");
  message.set_prefix("x&y");
  message.set_limit(5);
  EXPECT_EQ(to_http(rpc("ListKeys"), message, kDaemon)->target,
            "/namespaces/default/agents/a/kv?prefix=x%26y&limit=5");
}

TEST(Transcode, members_make_a_json_body) {
  v1::SetAlarmRequest message;
  message.set_agent("a");
  message.set_name("tea");
  message.set_in("10s");
  message.set_payload(R"({"n": [1, null]})");
  const auto request = to_http(rpc("SetAlarm"), message, kDaemon);
  EXPECT_EQ(request->body, R"({"in":"10s","name":"tea","payload":{"n":[1,null]}})");
  EXPECT_EQ(request->headers.get("Content-Type"), "application/json");
  message.set_payload("{");
  EXPECT_EQ(to_http(rpc("SetAlarm"), message, kDaemon).error().code, Code::kInvalidRequest);
}

TEST(Transcode, a_pod_serves_its_own_agent_at_the_root) {
  const AgentId own{"default", "mine"};
  v1::ByAgent message;
  EXPECT_EQ(to_http(rpc("GetStatus"), message, own)->target, "/status");
  message.set_namespace_("default");
  message.set_agent("mine");
  EXPECT_EQ(to_http(rpc("GetStatus"), message, own)->target, "/status");
  message.set_agent("other");
  EXPECT_EQ(to_http(rpc("GetStatus"), message, own).error().code, Code::kNotFound);
}

TEST(Transcode, what_http_could_not_carry_is_refused) {
  v1::PutKeyRequest message;
  message.set_agent("a");
  EXPECT_EQ(to_http(rpc("PutKey"), message, kDaemon).error().code, Code::kInvalidRequest);
  message.set_key("k");
  message.set_content_type("a/b\r\nSet-Cookie: x");
  EXPECT_EQ(to_http(rpc("PutKey"), message, kDaemon).error().code, Code::kInvalidRequest);
  message.set_content_type(std::string(kMaxHeadBytes, 'a'));
  EXPECT_EQ(to_http(rpc("PutKey"), message, kDaemon).error().reason, "HeadersTooLarge");
}

TEST(Transcode, a_json_answer_fills_the_reply_by_its_names) {
  net::Response answer = net::json_response(
      200,
      R"({"output":{"a":[1,null]},"tickId":"t-1","usage":{"durationMs":1.5,"steps":2},"new":1})");
  v1::RunReply reply;
  from_http(answer, reply);
  EXPECT_EQ(reply.output(), R"({"a":[1,null]})");
  EXPECT_EQ(reply.tick_id(), "t-1");
  EXPECT_EQ(reply.usage().duration_ms(), 1.5);
  EXPECT_EQ(reply.usage().steps(), 2);
  EXPECT_TRUE(reply.content_type().empty());
  EXPECT_FALSE(reply.pending());
}

TEST(Transcode, an_answer_of_bytes_stays_one_though_it_claims_to_be_json) {
  net::Response answer;
  answer.headers = {{"Content-Type", "application/json"}, {"X-Content-Type-Options", "nosniff"}};
  answer.body = R"({"output":1})";
  v1::RunReply reply;
  from_http(answer, reply);
  EXPECT_EQ(reply.body(), R"({"output":1})");
  EXPECT_EQ(reply.content_type(), "application/json");
  EXPECT_TRUE(reply.output().empty());
}

TEST(Transcode, foreign_json_of_the_wrong_types_breaks_nothing) {
  for (const char* body : {"", "[]", "{", "null", R"({"usage":[1],"tickId":{"a":1},"output":null})",
                           R"({"usage":{"steps":"x","durationMs":null}})"}) {
    v1::RunReply reply;
    from_http(net::json_response(200, body), reply);
    EXPECT_EQ(reply.usage().steps(), 0) << body;
  }
}

TEST(Problems, are_read_wherever_they_are_told) {
  const std::string problem =
      R"({"code":"CONFLICT","reason":"Suspended","detail":"d","retryable":true,"traceId":"t",
          "errors":[{"path":"p","value":"v","must":"be set"}]})";
  for (const std::string& text :
       {problem, R"({"problem":)" + problem + "}", R"({"traceId":"t","error":)" + problem + "}"}) {
    const auto read = read_problem(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->error.code, Code::kConflict);
    EXPECT_EQ(read->error.reason, "Suspended");
    EXPECT_TRUE(read->error.retryable);
    EXPECT_EQ(read->error.fields, (std::vector<FieldError>{{"p", "v", "be set"}}));
    EXPECT_EQ(read->trace_id, "t");
  }
  for (const char* text : {"", "{}", "[]", "{", R"({"code":"OTHER"})", R"({"code":1})"}) {
    EXPECT_FALSE(read_problem(text)) << text;
  }
}

}  // namespace
}  // namespace oa::runtime
