#include "runtime-pod/events/webhook_signature.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kSignature = "Agent-Signature";
constexpr std::string_view kTimestamp = "Agent-Timestamp";
constexpr std::string_view kStandardSecretPrefix = "whsec_";
constexpr std::size_t kMaxDeliveryId = 256;

// A request as every scheme can tell it, once its headers are read.
struct Signed {
  std::vector<std::string> signatures;            // decoded; one must fit
  std::string content;                            // what is signed
  std::optional<std::int64_t> seconds{};          // the signed time, since 1970
  std::optional<std::string_view> delivery_id{};  // the sender's, from a header
  const char* id_member = nullptr;                // or the member of the body that holds it
};

Error missing(std::string_view header) {
  return make_error(Code::kUnauthenticated, "SignatureMissing",
                    "the request must have the header " + std::string(header));
}

Error invalid(const std::string& detail) {
  return make_error(Code::kUnauthenticated, "SignatureInvalid", detail);
}

// Seconds since 1970 in digits, up to the year 9999.
Result<std::int64_t> read_seconds(std::string_view name, std::string_view text) {
  constexpr std::int64_t kEnd = 253'402'300'800;
  std::int64_t seconds = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds >= kEnd) {
    return invalid(std::string(name) + " \"" + shorten(text, 64) +
                   "\" must be a time in seconds since 1970");
  }
  return seconds;
}

// The values after `<key>=` in a list of items.
std::vector<std::string_view> values_of(std::string_view list, char separator,
                                        std::string_view key_and_mark) {
  std::vector<std::string_view> values;
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(separator));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    if (item.starts_with(key_and_mark)) values.push_back(item.substr(key_and_mark.size()));
  }
  return values;
}

using Decode = Result<std::string> (*)(std::string_view);

// What does not decode fits nothing, and is left out.
std::vector<std::string> decoded(const std::vector<std::string_view>& texts, Decode decode) {
  std::vector<std::string> signatures;
  for (const std::string_view text : texts) {
    if (Result<std::string> bytes = decode(text)) signatures.push_back(std::move(*bytes));
  }
  return signatures;
}

std::string join(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text += part;
  return text;
}

Result<Signed> read_github(const net::Headers& headers, std::string_view body) {
  constexpr std::string_view kHeader = "X-Hub-Signature-256";
  const auto signature = headers.find(kHeader);
  if (!signature) return missing(kHeader);
  Signed read{decoded(values_of(*signature, ',', "sha256="), crypto::hex_decode),
              std::string(body)};
  read.delivery_id = headers.find("X-GitHub-Delivery");
  return read;
}

Result<Signed> read_stripe(const net::Headers& headers, std::string_view body) {
  constexpr std::string_view kHeader = "Stripe-Signature";
  const auto signature = headers.find(kHeader);
  if (!signature) return missing(kHeader);
  const std::vector<std::string_view> times = values_of(*signature, ',', "t=");
  if (times.size() != 1) return invalid("Stripe-Signature must have one t=<seconds>");
  const Result<std::int64_t> seconds = read_seconds("t in Stripe-Signature", times[0]);
  if (!seconds) return seconds.error();
  return Signed{decoded(values_of(*signature, ',', "v1="), crypto::hex_decode),
                join({times[0], ".", body}),
                *seconds,
                {},
                "id"};
}

Result<Signed> read_slack(const net::Headers& headers, std::string_view body) {
  constexpr std::string_view kHeader = "X-Slack-Signature";
  constexpr std::string_view kTimeHeader = "X-Slack-Request-Timestamp";
  const auto signature = headers.find(kHeader);
  if (!signature) return missing(kHeader);
  const auto time = headers.find(kTimeHeader);
  if (!time) return missing(kTimeHeader);
  const Result<std::int64_t> seconds = read_seconds(kTimeHeader, *time);
  if (!seconds) return seconds.error();
  return Signed{decoded(values_of(*signature, ',', "v0="), crypto::hex_decode),
                join({"v0:", *time, ":", body}),
                *seconds,
                {},
                "event_id"};
}

Result<Signed> read_standard(const net::Headers& headers, std::string_view body) {
  for (const std::string_view name : {"webhook-signature", "webhook-id", "webhook-timestamp"}) {
    if (!headers.find(name)) return missing(name);
  }
  const std::string_view id = *headers.find("webhook-id");
  const std::string_view time = *headers.find("webhook-timestamp");
  const Result<std::int64_t> seconds = read_seconds("webhook-timestamp", time);
  if (!seconds) return seconds.error();
  // A point in the id would let a part of it pass for a time.
  if (id.find('.') != std::string_view::npos) return invalid("webhook-id must be without points");
  return Signed{
      decoded(values_of(*headers.find("webhook-signature"), ' ', "v1,"), crypto::base64_decode),
      join({id, ".", time, ".", body}), *seconds, id};
}

Result<Signed> read_hmac(const net::Headers& headers, std::string_view body) {
  const auto signature = headers.find(kSignature);
  if (!signature) return missing(kSignature);
  const auto time = headers.find(kTimestamp);
  if (!time) return missing(kTimestamp);
  const Result<std::int64_t> seconds = read_seconds(kTimestamp, *time);
  if (!seconds) return seconds.error();
  return Signed{decoded(values_of(*signature, ',', "v1="), crypto::hex_decode),
                join({*time, ".", body}), *seconds};
}

Result<Signed> read_signed(WebhookScheme scheme, const net::Headers& headers,
                           std::string_view body) {
  switch (scheme) {
    case WebhookScheme::kGitHub:
      return read_github(headers, body);
    case WebhookScheme::kStripe:
      return read_stripe(headers, body);
    case WebhookScheme::kSlack:
      return read_slack(headers, body);
    case WebhookScheme::kStandardWebhooks:
      return read_standard(headers, body);
    case WebhookScheme::kHmacSha256:
      return read_hmac(headers, body);
  }
  std::abort();
}

// What the HMAC takes. Anybody could sign with an empty key, so none is one.
std::vector<std::string> keys_of(WebhookScheme scheme, std::span<const std::string> secrets) {
  std::vector<std::string> keys;
  for (const std::string& secret : secrets) {
    std::string key = secret;
    if (scheme == WebhookScheme::kStandardWebhooks) {
      std::string_view text = secret;
      if (text.starts_with(kStandardSecretPrefix)) text.remove_prefix(kStandardSecretPrefix.size());
      const Result<std::string> bytes = crypto::base64_decode(text);
      key = bytes ? *bytes : std::string();
    }
    if (!key.empty()) keys.push_back(std::move(key));
  }
  return keys;
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxDeliveryId &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

// The id that the sender gave the delivery, or the hash of what was signed.
std::string delivery_id(const Signed& read, std::string_view body) {
  if (read.delivery_id && is_id(*read.delivery_id)) return std::string(*read.delivery_id);
  if (read.id_member != nullptr) {
    const Result<Json> json = parse_json(body);
    if (json && json->is_object()) {
      const auto member = json->find(read.id_member);
      if (member != json->end() && member->is_string() &&
          is_id(member->get_ref<const std::string&>())) {
        return member->get<std::string>();
      }
    }
  }
  return "sha256:" + crypto::hex_encode(crypto::bytes_of(crypto::sha256(read.content)));
}

}  // namespace

Result<VerifiedWebhook> verify_webhook(WebhookScheme scheme, std::span<const std::string> secrets,
                                       const net::Headers& headers, std::string_view body, Time now,
                                       Duration tolerance) {
  const std::vector<std::string> keys = keys_of(scheme, secrets);
  if (keys.empty()) {
    return make_error(
        Code::kUnavailable, "SecretMissing",
        "the secret of this webhook's source must be set, and be as its scheme has it");
  }
  const Result<Signed> read = read_signed(scheme, headers, body);
  if (!read) return read.error();
  bool fits = false;
  for (const std::string& key : keys) {
    const crypto::Digest expected = crypto::hmac_sha256(key, {read->content});
    for (const std::string& signature : read->signatures) {
      fits |= crypto::constant_time_equal(crypto::bytes_of(expected), signature);
    }
  }
  if (!fits) return invalid("the request must be signed with the secret of its source");
  VerifiedWebhook verified;
  if (read->seconds) {
    const Time timestamp{std::chrono::seconds(*read->seconds)};
    if (timestamp < now - tolerance || timestamp > now + tolerance) {
      return make_error(Code::kUnauthenticated, "TimestampOutsideWindow",
                        "the request was signed at " + format_time_seconds(timestamp) +
                            " and must be within " + format_duration(tolerance) + " of " +
                            format_time_seconds(now));
    }
    verified.timestamp = timestamp;
  }
  verified.delivery_id = delivery_id(*read, body);
  return verified;
}

net::Headers sign_callback(std::string_view secret, Time timestamp, std::string_view body) {
  const auto since = std::chrono::floor<std::chrono::seconds>(timestamp.time_since_epoch());
  const std::string seconds = std::to_string(since.count());
  const crypto::Digest code = crypto::hmac_sha256(secret, {seconds, ".", body});
  return {{std::string(kSignature), "v1=" + crypto::hex_encode(crypto::bytes_of(code))},
          {std::string(kTimestamp), seconds}};
}

}  // namespace oa::runtime
