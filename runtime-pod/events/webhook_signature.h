// Signatures of webhooks: those of the senders that an agent's spec names, and our own on the
// callbacks of jobs. All are HMAC-SHA-256; they differ in what is signed and where it is written.
//
//   GitHub            X-Hub-Signature-256: sha256=<hex of body>; no time, so that a repeat can only
//                     be told by its id, X-GitHub-Delivery, which is not signed
//   Stripe            Stripe-Signature: t=<seconds>,v1=<hex of t.body>,...; id: `id` in the body
//   Slack             X-Slack-Signature: v0=<hex of v0:time:body>, X-Slack-Request-Timestamp; id:
//                     `event_id` in the body
//   StandardWebhooks  webhook-signature: v1,<base64 of id.time.body> ..., webhook-timestamp;
//                     id: webhook-id; the secret is whsec_<base64>
//   HmacSha256        Agent-Signature: v1=<hex of time.body>,..., Agent-Timestamp
//
// Thread-safety: pure functions on values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/net/message.h"

namespace oa::runtime {

struct VerifiedWebhook {
  // The same for a delivery that is repeated as it was: the sender's id where there is one (1 to
  // 256 visible ASCII characters), else "sha256:" and the hash of what was signed.
  std::string delivery_id;
  std::optional<Time> timestamp;  // absent where the scheme has none
};

// Whether the sender knows one of `secrets` (two while one replaces the other) and signed this body
// within `tolerance` of `now`, before or after. UNAUTHENTICATED with the reason SignatureMissing,
// SignatureInvalid or TimestampOutsideWindow; UNAVAILABLE, reason SecretMissing, when `secrets` has
// none that could verify anything, for which the sender can do nothing but try again.
Result<VerifiedWebhook> verify_webhook(WebhookScheme scheme, std::span<const std::string> secrets,
                                       const net::Headers& headers, std::string_view body, Time now,
                                       Duration tolerance);

// The headers Agent-Signature and Agent-Timestamp for a body: what `verify_webhook` takes as
// HmacSha256. `secret` must not be empty.
net::Headers sign_callback(std::string_view secret, Time timestamp, std::string_view body);

}  // namespace oa::runtime
