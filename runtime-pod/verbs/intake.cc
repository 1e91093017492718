#include "runtime-pod/verbs/intake.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "core/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kMaxKeyBytes = 255;
constexpr std::size_t kMaxIdBytes = 256;

bool is_visible(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Such that no two lists of parts have the same.
std::string hash_of(std::initializer_list<std::string_view> parts) {
  crypto::Sha256 hash;
  for (const std::string_view part : parts) {
    hash.add(std::to_string(part.size())).add(":").add(part);
  }
  return crypto::hex_encode(crypto::bytes_of(hash.finish()));
}

void check_id(std::string_view path, std::string_view id, std::size_t most,
              std::vector<FieldError>& errors) {
  if (id.empty() || is_visible(id, most)) return;
  errors.push_back({std::string(path), "\"" + shorten(id, 64) + "\"",
                    "be 1 to " + std::to_string(most) + " visible ASCII characters"});
}

}  // namespace

Result<void> check_intake(const Intake& intake, Time now) {
  std::vector<FieldError> errors;
  check_id("Idempotency-Key", intake.idempotency_key, kMaxKeyBytes, errors);
  check_id("Agent-Envelope-Id", intake.envelope_id, kMaxIdBytes, errors);
  check_id("Agent-Sender", intake.sender, kMaxIdBytes, errors);
  if (intake.seq && *intake.seq < 1) {
    errors.push_back({"Agent-Seq", std::to_string(*intake.seq), "be at least 1"});
  }
  if (intake.seq && intake.sender.empty()) {
    errors.push_back({"Agent-Sender", "", "be given with Agent-Seq"});
  }
  if (intake.expires_at && *intake.expires_at <= now) {
    errors.push_back({"Agent-Expires-At", format_time_millis(*intake.expires_at),
                      "be later than now, " + format_time_millis(now)});
  }
  if (errors.empty()) return {};
  return invalid_fields(std::move(errors));
}

std::string sequence_id(std::string_view source, std::string_view sender, std::int64_t seq) {
  return "seq-" + hash_of({source, sender, std::to_string(seq)}).substr(0, 32);
}

std::optional<ReplayKey> replay_key(const Intake& intake) {
  if (intake.idempotency_key.empty() && intake.envelope_id.empty()) return std::nullopt;
  ReplayKey replay;
  // The agent is the one whose row it is.
  replay.key = intake.idempotency_key.empty()
                   ? hash_of({"envelope", intake.envelope_id})
                   : hash_of({"key", intake.sender, intake.verb, intake.idempotency_key});
  replay.fingerprint = hash_of({intake.content_type, intake.body});
  return replay;
}

Result<Envelope> make_envelope(Intake intake, Time now, std::string made_up) {
  auto payload = read_payload(intake.content_type, std::move(intake.body));
  if (!payload) return payload.error();
  Envelope envelope{.id = std::move(intake.envelope_id),
                    .source = std::move(intake.source),
                    .sender = std::move(intake.sender),
                    .seq = intake.seq.value_or(0),
                    .time = now,
                    .expires_at = intake.expires_at,
                    .traceparent = std::move(intake.traceparent),
                    .payload = std::move(*payload)};
  if (envelope.id.empty()) envelope.id = std::move(made_up);
  return envelope;
}

}  // namespace oa::runtime
