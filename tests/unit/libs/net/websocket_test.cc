#include "libs/net/websocket.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::net {
namespace {

Request handshake() {
  Request request;
  request.method = "GET";
  request.headers = {{"Connection", "keep-alive, Upgrade"},
                     {"Upgrade", "websocket"},
                     {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  return request;
}

std::string refusal(const Request& request) {
  const auto offer = require_websocket(request);
  return offer ? "" : std::to_string(http_status(offer.error())) + " " + offer.error().reason;
}

TEST(RequireWebsocket, takes_a_handshake) {
  EXPECT_EQ(refusal(handshake()), "");
  Request other_case = handshake();
  other_case.headers.set("upgrade", "WebSocket");
  other_case.headers.set("connection", "UPGRADE");
  EXPECT_EQ(refusal(other_case), "");
}

TEST(RequireWebsocket, lists_the_protocols_in_order) {
  Request request = handshake();
  request.headers.add("Sec-WebSocket-Protocol", "openagents.v1, chat");
  request.headers.add("sec-websocket-protocol", " soap ,");
  const auto offer = require_websocket(request);
  ASSERT_TRUE(offer);
  EXPECT_THAT(offer->protocols, testing::ElementsAre("openagents.v1", "chat", "soap"));
}

TEST(RequireWebsocket, refuses_what_is_none) {
  EXPECT_EQ(refusal({}), "426 UpgradeRequired");
  const std::pair<const char*, const char*> broken[] = {
      {"Upgrade", "h2c"}, {"Connection", "keep-alive"}, {"Sec-WebSocket-Version", "8"}};
  for (const auto& [name, value] : broken) {
    Request request = handshake();
    request.headers.set(name, value);
    EXPECT_EQ(refusal(request), "426 UpgradeRequired") << name;
  }
  for (const char* key : {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ=a",
                          "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZQ==dGhl"}) {
    Request request = handshake();
    request.headers.set("Sec-WebSocket-Key", key);
    EXPECT_EQ(refusal(request), "400 MalformedRequest") << key;
  }
  Request post = handshake();
  post.method = "POST";
  EXPECT_EQ(refusal(post), "405 MethodNotAllowed");
}

TEST(RequireWebsocket, says_what_to_upgrade_to) {
  const Response response = problem_response(require_websocket({}).error());
  EXPECT_EQ(response.status, 426);
  EXPECT_EQ(response.headers.get("upgrade"), "websocket");
  EXPECT_EQ(response.headers.get("sec-websocket-version"), "13");
}

TEST(WebsocketAccept, is_that_of_the_rfc) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace oa::net
