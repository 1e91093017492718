#include "runtime-pod/audit/chain.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/text.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr char kEncodingVersion = 1;

// So that no other signature of the same key is one of an anchor.
constexpr std::string_view kAnchorDomain = "openagents.com/audit-anchor/v1";

void add_number(std::string& bytes, std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  char big_endian[8];
  for (int i = 0; i < 8; ++i) big_endian[i] = static_cast<char>(bits >> (56 - 8 * i));
  bytes.append(big_endian, sizeof big_endian);
}

void add_text(std::string& bytes, std::string_view text) {
  add_number(bytes, static_cast<std::int64_t>(text.size()));
  bytes += text;
}

std::string hex(const crypto::Digest& digest) {
  return crypto::hex_encode(crypto::bytes_of(digest));
}

std::string signed_bytes(std::string_view agent, const Anchor& anchor) {
  std::string bytes;
  add_text(bytes, kAnchorDomain);
  add_text(bytes, agent);
  add_number(bytes, anchor.sequence);
  bytes += crypto::bytes_of(anchor.hash);
  add_number(bytes, anchor.time.time_since_epoch().count());
  return bytes;
}

std::string_view bytes_of(const crypto::Ed25519Signature& signature) {
  return {reinterpret_cast<const char*>(signature.data()), signature.size()};
}

// A text member of `json` as bytes of exactly the size of `out`.
template <typename Bytes>
bool read_bytes(const Json& json, const char* name, Result<std::string> (*decode)(std::string_view),
                Bytes& out) {
  const auto member = json.find(name);
  if (member == json.end() || !member->is_string()) return false;
  const Result<std::string> bytes = decode(member->get_ref<const std::string&>());
  if (!bytes || bytes->size() != out.size()) return false;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return true;
}

}  // namespace

crypto::Digest next_hash(const crypto::Digest& previous, const AuditFields& fields) {
  std::string bytes;
  bytes.reserve(previous.size() + 1 + 6 * 8 + fields.agent.size() + fields.record.size());
  bytes += crypto::bytes_of(previous);
  bytes += kEncodingVersion;
  add_text(bytes, fields.agent);
  add_number(bytes, fields.sequence);
  add_number(bytes, fields.kind);
  add_number(bytes, fields.tick);
  add_number(bytes, fields.time.time_since_epoch().count());
  add_text(bytes, fields.record);
  return crypto::sha256(bytes);
}

Anchor sign_anchor(const crypto::Ed25519PrivateKey& key, std::string_view agent,
                   std::int64_t sequence, const crypto::Digest& hash, Time time) {
  Anchor anchor{sequence, hash, time, {}};
  anchor.signature = key.sign(signed_bytes(agent, anchor));
  return anchor;
}

Result<void> verify_anchor(const crypto::Ed25519PublicKey& key, std::string_view agent,
                           const Anchor& anchor) {
  if (crypto::verify(key, signed_bytes(agent, anchor), bytes_of(anchor.signature))) return {};
  return make_error(Code::kUnauthenticated, "SignatureInvalid",
                    "the audit anchor of agent " + std::string(agent) + " at record " +
                        std::to_string(anchor.sequence) + " must be signed with the given key");
}

Json to_json(const Anchor& anchor) {
  return {{"sequence", anchor.sequence},
          {"hash", hex(anchor.hash)},
          {"time", format_time_micros(anchor.time)},
          {"signature", crypto::base64_encode(bytes_of(anchor.signature))}};
}

Result<Anchor> parse_anchor(const Json& json) {
  if (!json.is_object()) return make_error(Code::kInvalidRequest, "an anchor must be an object");
  Anchor anchor;
  std::vector<FieldError> errors;
  const auto wrong = [&](const char* name, const char* must) {
    const auto member = json.find(name);
    errors.push_back({name, member == json.end() ? "" : shorten(dump(*member), 64), must});
  };
  const auto sequence = json.find("sequence");
  // A number over 2^63-1 is read as a negative one.
  if (sequence != json.end() && sequence->is_number_integer() &&
      sequence->get<std::int64_t>() >= 0) {
    anchor.sequence = sequence->get<std::int64_t>();
  } else {
    wrong("sequence", "be the number of a record");
  }
  if (!read_bytes(json, "hash", crypto::hex_decode, anchor.hash)) {
    wrong("hash", "be 64 hex digits");
  }
  const auto time = json.find("time");
  const auto parsed = time != json.end() && time->is_string()
                          ? parse_time(time->get_ref<const std::string&>())
                          : Result<Time>(make_error(Code::kInvalidRequest, "no time"));
  if (parsed) {
    anchor.time = *parsed;
  } else {
    wrong("time", "be an RFC 3339 time");
  }
  if (!read_bytes(json, "signature", crypto::base64_decode, anchor.signature)) {
    wrong("signature", "be 64 bytes in base64");
  }
  if (!errors.empty()) return invalid_fields(std::move(errors));
  return anchor;
}

Result<ChainVerifier> ChainVerifier::after(std::string agent, const Anchor& anchor,
                                           const crypto::Ed25519PublicKey& key) {
  if (Result<void> verified = verify_anchor(key, agent, anchor); !verified) {
    return verified.error();
  }
  ChainVerifier verifier(std::move(agent));
  verifier.sequence_ = anchor.sequence;
  verifier.hash_ = anchor.hash;
  return verifier;
}

Result<void> ChainVerifier::add(const AuditFields& fields, const crypto::Digest& hash) {
  if (broken_) return *broken_;
  if (fields.agent != agent_) {
    return broken(fields.sequence,
                  "must be of this agent, but is of agent " + shorten(fields.agent, 128));
  }
  if (fields.sequence != sequence_ + 1) {
    return broken(fields.sequence, "must be record " + std::to_string(sequence_ + 1) +
                                       ", the one after " + std::to_string(sequence_));
  }
  const crypto::Digest expected = next_hash(hash_, fields);
  if (expected != hash) {
    return broken(fields.sequence, "must have the hash " + hex(expected) +
                                       " by its content and the records before it, but has " +
                                       hex(hash));
  }
  sequence_ = fields.sequence;
  hash_ = hash;
  return {};
}

Result<void> ChainVerifier::finish(const crypto::Digest& head) {
  if (broken_) return *broken_;
  if (hash_ == head) return {};
  return broken(sequence_, "is the last and must have the newest hash " + hex(head) + ", but has " +
                               hex(hash_) + ": the records after it are missing");
}

Error ChainVerifier::broken(std::int64_t sequence, const std::string& what) {
  broken_ =
      make_error(Code::kInvalidRequest, "AuditChainBroken",
                 "audit record " + std::to_string(sequence) + " of agent " + agent_ + " " + what);
  return *broken_;
}

}  // namespace oa::runtime
