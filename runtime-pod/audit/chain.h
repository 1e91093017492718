// The hash chain of an agent's audit log: each record's hash covers the record and the hash before
// it, so that who knows the newest hash can tell whether any record was changed, left out, moved or
// put in.
//
// A log that was trimmed begins behind an anchor: the hash of the last record that is gone, signed
// with the runtime's key.
//
// Thread-safety: plain values and pure functions; a ChainVerifier is of one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/ed25519.h"

namespace oa::runtime {

// What the hash of a record covers.
struct AuditFields {
  std::string_view agent;     // "namespace/name"
  std::int64_t sequence = 0;  // counted from 1 for each agent, without gaps
  std::int64_t kind = 0;      // of the record, a number that the database holds
  std::int64_t tick = 0;
  Time time;
  std::string_view record;  // as it is stored, byte for byte
};

// The hash before an agent's first record.
inline constexpr crypto::Digest kChainStart{};

// SHA-256 of: `previous`; the byte 1, the version of this encoding; the length of the agent's name,
// and the name; sequence, kind, tick, time in microseconds since 1970; the length of the record,
// and the record. Numbers are 8 bytes, big-endian. Chains stand in databases and exports, so the
// encoding of a version never changes.
crypto::Digest next_hash(const crypto::Digest& previous, const AuditFields& fields);

// Where a trimmed log begins.
struct Anchor {
  std::int64_t sequence = 0;             // of the last record that is gone
  crypto::Digest hash{};                 // of that record
  Time time;                             // when it was trimmed
  crypto::Ed25519Signature signature{};  // over the agent's name and all of the above

  bool operator==(const Anchor&) const = default;
};

Anchor sign_anchor(const crypto::Ed25519PrivateKey& key, std::string_view agent,
                   std::int64_t sequence, const crypto::Digest& hash, Time time);

// UNAUTHENTICATED, reason SignatureInvalid, unless the key signed this anchor for this agent.
Result<void> verify_anchor(const crypto::Ed25519PublicKey& key, std::string_view agent,
                           const Anchor& anchor);

// {"sequence", "hash": hex, "time", "signature": base64}
Json to_json(const Anchor& anchor);
// INVALID_REQUEST, field by field.
Result<Anchor> parse_anchor(const Json& json);

// Follows a chain record by record. The first error stands: everything after it gives the same.
// Errors are INVALID_REQUEST, reason AuditChainBroken, and name the record, what was expected and
// what was found.
class ChainVerifier {
 public:
  // From the agent's first record.
  explicit ChainVerifier(std::string agent) : agent_(std::move(agent)) {}
  // From the record behind one that is believed to have this hash.
  ChainVerifier(std::string agent, std::int64_t sequence, const crypto::Digest& hash)
      : agent_(std::move(agent)), sequence_(sequence), hash_(hash) {}
  // From the record behind an anchor, which the key must have signed.
  static Result<ChainVerifier> after(std::string agent, const Anchor& anchor,
                                     const crypto::Ed25519PublicKey& key);

  Result<void> add(const AuditFields& fields, const crypto::Digest& hash);

  // That the chain ends where the agent's newest hash says. Without this, records cut off at the
  // end are not noticed.
  Result<void> finish(const crypto::Digest& head);

  std::int64_t sequence() const { return sequence_; }   // of the last record that fits
  const crypto::Digest& hash() const { return hash_; }  // of that record

 private:
  Error broken(std::int64_t sequence, const std::string& what);

  std::string agent_;
  std::int64_t sequence_ = 0;
  crypto::Digest hash_ = kChainStart;
  std::optional<Error> broken_;
};

}  // namespace oa::runtime
