#include "runtime-pod/events/webhook_signature.h"

#include <array>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

using net::Headers;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Secrets = std::vector<std::string>;

constexpr Duration kTolerance = std::chrono::minutes(5);

Time at(std::int64_t seconds) { return Time(std::chrono::seconds(seconds)); }

std::string hmac_hex(std::string_view key, std::string_view message) {
  return crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256(key, {message})));
}

// A request as its sender's documentation gives it, or made as that describes.
struct Example {
  WebhookScheme scheme;
  std::string secret;
  Headers headers;
  std::string body;
  std::int64_t seconds = 0;
  std::string delivery_id;

  Result<VerifiedWebhook> verify(const Headers& with, std::string_view body_with, Time now,
                                 const Secrets& secrets) const {
    return verify_webhook(scheme, secrets, with, body_with, now, kTolerance);
  }
  Result<VerifiedWebhook> verify(const Headers& with) const {
    return verify(with, body, at(seconds), {secret});
  }
};

Example github() {
  return {WebhookScheme::kGitHub,
          "It's a Secret to Everybody",
          {{"X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
           {"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"}},
          "Hello, World!",
          0,
          "72d3162e-cc78-11e3-81ab-4c9367dc0958"};
}

Example stripe() {
  const std::string body = R"({"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event"})";
  return {WebhookScheme::kStripe,
          "whsec_test",
          {{"Stripe-Signature",
            "t=1492774577,v1=" + hmac_hex("whsec_test", "1492774577." + body) + ",v0=6ffbb59b"}},
          body,
          1492774577,
          "evt_1NG8Du2eZvKYlo2CUI79vXWy"};
}

Example slack() {
  const std::string body =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id="
      "G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-"
      "collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%"
      "2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
      "803a0bc887a14d10d2c447fce8b6703c";
  return {
      WebhookScheme::kSlack,
      "8f742231b10e8888abcd99yyyzzz85a5",
      {{"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
       {"X-Slack-Request-Timestamp", "1531420618"}},
      body,
      1531420618,
      "sha256:" + crypto::hex_encode(crypto::bytes_of(crypto::sha256("v0:1531420618:" + body)))};
}

Example standard() {
  return {WebhookScheme::kStandardWebhooks,
          "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
           {"webhook-timestamp", "1614265330"},
           {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}},
          R"({"test": 2432232314})",
          1614265330,
          "msg_p5jXN8AQM9LWM0D4loKWxJek"};
}

Example own() {
  const std::string body = R"({"id":"job-1"})";
  return {WebhookScheme::kHmacSha256,
          "s3cr3t",
          sign_callback("s3cr3t", at(1700000000), body),
          body,
          1700000000,
          "sha256:" + crypto::hex_encode(crypto::bytes_of(crypto::sha256("1700000000." + body)))};
}

std::array<Example, 5> examples() { return {github(), stripe(), slack(), standard(), own()}; }

TEST(VerifyWebhook, takes_what_the_senders_document) {
  for (const Example& example : examples()) {
    const auto verified = example.verify(example.headers);
    ASSERT_TRUE(verified) << verified.error().detail;
    EXPECT_EQ(verified->delivery_id, example.delivery_id);
    EXPECT_EQ(verified->timestamp.has_value(), example.seconds != 0);
    if (verified->timestamp) {
      EXPECT_EQ(*verified->timestamp, at(example.seconds));
    }
  }
}

TEST(VerifyWebhook, refuses_another_body_or_secret) {
  for (const Example& example : examples()) {
    const Time now = at(example.seconds);
    for (const auto& verified :
         {example.verify(example.headers, example.body + " ", now, {example.secret}),
          example.verify(example.headers, "", now, {example.secret}),
          example.verify(example.headers, example.body, now, {"whsec_c2VjcmV0"})}) {
      ASSERT_FALSE(verified) << example.body;
      EXPECT_EQ(verified.error().code, Code::kUnauthenticated);
      EXPECT_EQ(verified.error().reason, "SignatureInvalid");
      EXPECT_THAT(verified.error().detail, Not(HasSubstr(example.secret)));
    }
  }
}

TEST(VerifyWebhook, takes_either_secret_during_a_rotation) {
  for (const Example& example : examples()) {
    const Time now = at(example.seconds);
    const std::string other = "whsec_c2VjcmV0";
    EXPECT_TRUE(example.verify(example.headers, example.body, now, {example.secret, other}));
    EXPECT_TRUE(example.verify(example.headers, example.body, now, {other, example.secret}));
    EXPECT_TRUE(example.verify(example.headers, example.body, now, {"", example.secret}));
  }
}

TEST(VerifyWebhook, takes_no_empty_secret) {
  for (const Example& example : examples()) {
    Example forged = example;
    forged.headers.set("X-Hub-Signature-256", "sha256=" + hmac_hex("", example.body));
    for (const Secrets& none : {Secrets{}, Secrets{""}}) {
      const auto verified = forged.verify(forged.headers, forged.body, at(forged.seconds), none);
      ASSERT_FALSE(verified);
      EXPECT_EQ(verified.error().code, Code::kUnavailable);
      EXPECT_EQ(verified.error().reason, "SecretMissing");
    }
  }
  const Example example = standard();
  for (const char* bad : {"whsec_", "whsec_***", "whsec_YQ"}) {
    EXPECT_EQ(example.verify(example.headers, example.body, at(0), {bad}).error().reason,
              "SecretMissing");
  }
  EXPECT_TRUE(example.verify(example.headers, example.body, at(example.seconds),
                             {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}));
}

TEST(VerifyWebhook, holds_the_time_within_a_window_on_both_sides) {
  for (const Example& example : examples()) {
    const auto reason = [&](Time now) {
      const auto verified = example.verify(example.headers, example.body, now, {example.secret});
      return verified ? "" : verified.error().reason;
    };
    const Time signed_at = at(example.seconds);
    EXPECT_EQ(reason(signed_at + kTolerance), "");
    EXPECT_EQ(reason(signed_at - kTolerance), "");
    const char* outside = example.seconds == 0 ? "" : "TimestampOutsideWindow";
    EXPECT_EQ(reason(signed_at + kTolerance + Duration(1)), outside);
    EXPECT_EQ(reason(signed_at - kTolerance - Duration(1)), outside);
  }
}

TEST(VerifyWebhook, names_the_header_that_is_missing) {
  for (const Example& example : examples()) {
    for (const Headers::Field& left_out : example.headers.fields()) {
      Headers rest;
      for (const Headers::Field& field : example.headers.fields()) {
        if (field != left_out) rest.add(field.first, field.second);
      }
      if (left_out.first == "X-GitHub-Delivery") {
        EXPECT_THAT(example.verify(rest)->delivery_id, StartsWith("sha256:"));
        continue;
      }
      const auto verified = example.verify(rest);
      ASSERT_FALSE(verified);
      EXPECT_EQ(verified.error().code, Code::kUnauthenticated);
      EXPECT_EQ(verified.error().reason, "SignatureMissing");
      EXPECT_THAT(verified.error().detail, HasSubstr(left_out.first));
    }
  }
}

TEST(VerifyWebhook, survives_headers_of_every_shape) {
  for (const Example& example : examples()) {
    for (const Headers::Field& field : example.headers.fields()) {
      if (field.first == "X-GitHub-Delivery") continue;
      for (const std::string& value :
           {std::string(), std::string("="), std::string(","), std::string("v1="),
            std::string("v1"), std::string("v0="), std::string("v1,"), std::string("sha256="),
            std::string("t=,v1="), std::string("t=x,v1=00"), std::string("t=-1,v1=00"),
            std::string("t=1,t=2,v1=00"), std::string("99999999999999999999"),
            std::string("253402300800"), std::string("1e9"), std::string(" 1614265330"),
            std::string("1.5"), "x" + field.second, std::string(1000, ',')}) {
        Headers changed = example.headers;
        changed.set(field.first, value);
        const auto verified = example.verify(changed);
        ASSERT_FALSE(verified) << field.first << ": " << value;
        EXPECT_EQ(verified.error().reason, "SignatureInvalid") << field.first << ": " << value;
      }
    }
  }
}

TEST(VerifyWebhook, looks_at_every_signature_of_a_list) {
  Example example = stripe();
  const std::string good = hmac_hex("whsec_test", "1492774577." + example.body);
  const std::string bad = hmac_hex("other", "1492774577." + example.body);
  example.headers.set("Stripe-Signature", "t=1492774577, v1=" + bad + ", v1=" + good);
  EXPECT_TRUE(example.verify(example.headers));
  example.headers.set("Stripe-Signature", "t=1492774577,v0=" + good);
  EXPECT_FALSE(example.verify(example.headers)) << "of a version that is not v1";

  Example list = standard();
  const std::string code(list.headers.get("webhook-signature"));
  list.headers.set("webhook-signature", "v1,bm9uZQ== v1a,AAAA " + code);
  EXPECT_TRUE(list.verify(list.headers));
}

TEST(VerifyWebhook, lets_no_id_pass_for_a_part_of_what_is_signed) {
  const Example example = standard();
  const std::string key = *crypto::base64_decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  // Signed as id "a", time 1614265330, body "1614265331.x".
  const crypto::Digest code = crypto::hmac_sha256(key, {"a.1614265330.1614265331.x"});
  const Headers moved = {
      {"webhook-id", "a.1614265330"},
      {"webhook-timestamp", "1614265331"},
      {"webhook-signature", "v1," + crypto::base64_encode(crypto::bytes_of(code))}};
  EXPECT_FALSE(example.verify(moved, "x", at(1614265331), {example.secret}));
}

TEST(VerifyWebhook, takes_the_ids_of_bodies_only_where_they_are_ids) {
  const auto id_of = [](const std::string& body) {
    const std::string code = hmac_hex("s", "v0:1531420618:" + body);
    const Headers headers = {{"x-slack-signature", "v0=" + code},
                             {"x-slack-request-timestamp", "1531420618"}};
    const auto verified = verify_webhook(WebhookScheme::kSlack, Secrets{"s"}, headers, body,
                                         at(1531420618), kTolerance);
    return verified ? verified->delivery_id : verified.error().detail;
  };
  EXPECT_EQ(id_of(R"({"event_id": "Ev0PV52K25"})"), "Ev0PV52K25");
  for (const std::string& body :
       {std::string(R"({"event_id": 1})"), std::string(R"({"event_id": ""})"),
        std::string(R"({"event_id": "a b"})"), std::string("[]"), std::string("{"), std::string(),
        R"({"event_id": ")" + std::string(257, 'x') + R"("})"}) {
    EXPECT_THAT(id_of(body), StartsWith("sha256:")) << body;
  }
}

TEST(SignCallback, is_the_hmac_of_time_and_body) {
  const Headers headers = sign_callback("key", at(1700000000) + Duration(999'999), "{}");
  EXPECT_EQ(headers.get("Agent-Timestamp"), "1700000000");
  EXPECT_EQ(headers.get("Agent-Signature"), "v1=" + hmac_hex("key", "1700000000.{}"));
}

}  // namespace
}  // namespace oa::runtime
