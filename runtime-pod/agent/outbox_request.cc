#include "runtime-pod/agent/outbox_request.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "core/json.h"
#include "core/text.h"
#include "core/wire.h"
#include "libs/net/message.h"
#include "runtime-pod/events/webhook_signature.h"

namespace oa::runtime {
namespace {

using Verdict = Attempted::Verdict;

constexpr Duration kFirstBackoff = std::chrono::seconds(1);
constexpr Duration kLongestBackoff = std::chrono::minutes(5);
constexpr Duration kLongestRetryAfter = std::chrono::hours(24);

bool has_header(const Outgoing& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const auto& header) { return net::same_name(header.first, name); });
}

void set_header(Outgoing& request, std::string_view name, std::string_view value) {
  std::erase_if(request.headers,
                [&](const auto& header) { return net::same_name(header.first, name); });
  request.headers.emplace_back(name, value);
}

Outgoing message_request(const OutboxRow& row) {
  Outgoing request{"POST", row.to, {}, row.payload};
  while (request.url.ends_with('/')) request.url.pop_back();
  request.url += "/send";
  set_header(request, "Content-Type", "application/json");
  set_header(request, wire::kHeaderEnvelopeId, row.id);
  set_header(request, "Agent-Sender", row.sender);
  return request;
}

Outgoing effect_request(const OutboxRow& row) {
  Outgoing request{row.effect.method, row.effect.url, {}, row.effect.body};
  for (const auto& header : row.effect.headers) {
    // As after a restart, when the row is read from the disk.
    if (!is_secret_header(header.first)) request.headers.push_back(header);
  }
  return request;
}

// After these the same request may fare better.
bool is_transient(const Error& error) {
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kTimeout:
    case Code::kRateLimited:
    case Code::kRuntimeError:
    case Code::kLimitExceeded:
    case Code::kInternal:
      return true;
    default:
      return error.retryable;
  }
}

Attempted not_done(Error error, bool retry) {
  Attempted attempted;
  attempted.verdict = retry ? Verdict::kRetry : Verdict::kFailed;
  attempted.outcome.error = std::move(error);
  return attempted;
}

std::string cut(std::string body) {
  if (body.size() > kMaxOutcomeBytes) body.resize(kMaxOutcomeBytes);
  return body;
}

}  // namespace

bool is_local(const OutboxRow& row) {
  return row.kind == OutboxRow::Kind::kMessage && row.to.find("://") == std::string::npos;
}

Outgoing make_outgoing(const OutboxRow& row, std::int64_t epoch, std::string_view secret,
                       Time now) {
  const bool is_message = row.kind == OutboxRow::Kind::kMessage;
  Outgoing request = is_message ? message_request(row) : effect_request(row);
  if (!has_header(request, "Idempotency-Key")) {
    set_header(request, "Idempotency-Key", is_message ? row.id : row.effect.key);
  }
  if (!row.traceparent.empty()) set_header(request, "traceparent", row.traceparent);
  set_header(request, wire::kHeaderEpoch, std::to_string(epoch));
  if (row.kind == OutboxRow::Kind::kCallback && !secret.empty()) {
    const net::Headers signature = sign_callback(secret, now, request.body);
    for (const auto& [name, value] : signature.fields()) {
      set_header(request, name, value);
    }
  }
  return request;
}

Trigger make_message(const OutboxRow& row) {
  Trigger trigger;
  trigger.type = TriggerType::kMessage;
  Envelope& envelope = trigger.envelope;
  envelope.id = row.id;
  envelope.source = "agent";
  envelope.sender = row.sender;
  envelope.time = row.created;
  envelope.traceparent = row.traceparent;
  envelope.payload.kind = Payload::Kind::kJson;
  envelope.payload.json = Json::parse(row.payload, nullptr, /*allow_exceptions=*/false);
  if (envelope.payload.json.is_discarded()) envelope.payload.json = nullptr;
  envelope.payload.content_type = "application/json";
  return trigger;
}

Trigger make_failure_event(const OutboxRow& row, const std::string& key, const Error& error,
                           Time now) {
  Trigger trigger;
  trigger.type = TriggerType::kEvent;
  Envelope& envelope = trigger.envelope;
  envelope.id = "outbox/" + key;
  envelope.source = "outbox";
  envelope.time = now;
  envelope.traceparent = row.traceparent;
  envelope.payload.kind = Payload::Kind::kJson;
  Json& payload = envelope.payload.json;
  if (row.kind == OutboxRow::Kind::kMessage) {
    payload = {{"message", row.id}, {"to", row.to}};
  } else {
    payload = {{"effect", row.effect.key}};
  }
  payload["outcome"] = "Failed";
  payload["attempts"] = row.attempts;
  payload["error"] = to_json(error);
  envelope.payload.content_type = "application/json";
  return trigger;
}

Attempted judge(const Outgoing& request, Result<OutgoingAnswer> answer, Time now) {
  if (!answer) return not_done(answer.error(), is_transient(answer.error()));
  const int status = answer->status;
  if (status >= 200 && status < 300) {
    return {Verdict::kDelivered, {true, status, cut(std::move(answer->body)), {}}, {}};
  }
  const bool retry = status == 408 || status == 425 || status == 429 || status >= 500;
  Error error =
      make_error(Code::kRuntimeError, retry ? "DestinationUnwell" : "DestinationRefused",
                 shorten(request.url, 256) + " must answer with a status of 2xx but did " +
                     "with " + std::to_string(status));
  error.retryable = retry;
  Attempted attempted = not_done(std::move(error), retry);
  attempted.outcome.status = status;
  attempted.outcome.body = cut(std::move(answer->body));
  if (retry) attempted.wait = parse_retry_after(answer->retry_after, now);
  return attempted;
}

Attempted judge_delivery(const Result<void>& delivered) {
  // A repeat of what was taken in before.
  if (delivered || delivered.error().reason == "Duplicate") {
    return {Verdict::kDelivered, {true, 202, {}, {}}, {}};
  }
  return not_done(delivered.error(), is_transient(delivered.error()));
}

Duration parse_retry_after(std::string_view text, Time now) {
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds);
  if (parsed.ec != std::errc() || parsed.ptr != end) {
    std::tm date{};
    const std::string copy(text);
    const char* const rest = strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (rest == nullptr || *rest != '\0') return {};
    seconds =
        timegm(&date) - std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  }
  constexpr std::int64_t kLongest = kLongestRetryAfter / std::chrono::seconds(1);
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kLongest));
}

Duration outbox_backoff(int attempts, double jitter) {
  Duration delay = kFirstBackoff;
  for (int i = 1; i < attempts && delay < kLongestBackoff; ++i) delay *= 2;
  delay = std::min(delay, kLongestBackoff);
  return delay -
         Duration(static_cast<std::int64_t>(static_cast<double>(delay.count()) / 2 * jitter));
}

}  // namespace oa::runtime
