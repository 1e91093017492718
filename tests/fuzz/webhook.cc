// Signed webhooks, as every sender: nothing passes without the secret, and what is signed with it
// passes under an id that can be kept.
#include <array>

#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/events/webhook_signature.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

constexpr Duration kTolerance = std::chrono::minutes(5);
const Time kNow(std::chrono::seconds(1'800'000'000));
const std::string kSeconds = "1800000000";
const std::array<std::string, 1> kSecret{
    "d2hzZWNfZnV6eg=="};  // also base64, as one scheme wants it

std::string code(std::initializer_list<std::string_view> parts) {
  return std::string(crypto::bytes_of(crypto::hmac_sha256(kSecret[0], parts)));
}

void check_passes(WebhookScheme scheme, const net::Headers& headers, std::string_view body) {
  const auto verified = runtime::verify_webhook(scheme, kSecret, headers, body, kNow, kTolerance);
  fuzz::require(verified.ok(), "take what is signed with the secret");
  const std::string& id = verified->delivery_id;
  fuzz::require(!id.empty() && id.size() <= 256 &&
                    std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c <= '~'; }),
                "give an id that can be kept");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [headers, body] = fuzz::message_of(fuzz::text_of(data, size));
  for (const WebhookScheme scheme :
       {WebhookScheme::kGitHub, WebhookScheme::kStripe, WebhookScheme::kSlack,
        WebhookScheme::kStandardWebhooks, WebhookScheme::kHmacSha256}) {
    const auto verified = runtime::verify_webhook(scheme, kSecret, headers, body, kNow, kTolerance);
    fuzz::require(!fuzz::accepted(verified), "refuse what is not signed with the secret");
  }
  const auto hex = [](const std::string& bytes) { return crypto::hex_encode(bytes); };
  check_passes(WebhookScheme::kGitHub,
               {{"X-Hub-Signature-256", "sha256=" + hex(code({body}))},
                {"X-GitHub-Delivery", std::string(headers.get("X-GitHub-Delivery"))}},
               body);
  // A second time would make it ambiguous which one is signed.
  const std::string junk(headers.get("Junk"));
  check_passes(WebhookScheme::kStripe,
               {{"Stripe-Signature", (junk.find("t=") == std::string::npos ? junk : std::string()) +
                                         ",v1=00,t=" + kSeconds +
                                         ",v1=" + hex(code({kSeconds, ".", body}))}},
               body);
  check_passes(WebhookScheme::kSlack,
               {{"X-Slack-Signature", "v0=" + hex(code({"v0:", kSeconds, ":", body}))},
                {"X-Slack-Request-Timestamp", kSeconds}},
               body);
  check_passes(WebhookScheme::kHmacSha256, runtime::sign_callback(kSecret[0], kNow, body), body);
  return 0;
}
