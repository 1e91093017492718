#include "runtime-pod/audit/verify.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/storage/snapshot.h"
#include "runtime-pod/storage/store.h"

namespace oa::runtime {
namespace {

std::string hex(const crypto::Digest& digest) {
  return crypto::hex_encode(crypto::bytes_of(digest));
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(Code::kInvalidRequest, "cannot read the file " + path);
  }
  return text.str();
}

// The statement that the logs are held against, once the key is found to have signed it.
Result<std::optional<SignedHead>> read_known(const VerifyOptions& options) {
  if (options.head_file.empty()) return std::optional<SignedHead>();
  const auto pem = read_file(options.key_file);
  if (!pem) return pem.error();
  const auto key = crypto::parse_public_key(*pem);
  if (!key) return key.error();
  const auto text = read_file(options.head_file);
  if (!text) return text.error();
  const auto json = parse_json(*text);
  if (!json) return json.error();
  auto known = parse_signed_head(*json);
  if (!known) return known.error();
  if (auto good = verify_anchor(*key, known->agent, known->head); !good) return good.error();
  return std::optional(std::move(*known));
}

Result<VerifiedLog> verify_agent(Snapshot& snapshot, const StoredAgent& agent,
                                 const std::optional<SignedHead>& known) {
  const std::string name = to_string(agent.row.id);
  const auto trimmed = snapshot.find_anchor(agent.row.key);
  if (!trimmed) return trimmed.error();
  std::optional<Anchor> anchor;
  if (*trimmed) anchor = {(*trimmed)->number, (*trimmed)->hash, (*trimmed)->time, {}};
  LogVerifier verifier(name, anchor, known && known->agent == name ? known : std::nullopt);
  auto whole = snapshot.each_record(agent, [&](const LogRecord& record) {
    return record.kind == LogKind::kTick ? verifier.add(record) : Result<void>();
  });
  if (!whole) return whole.error();
  return verifier.finish(agent.head.number, agent.head.hash);
}

Result<void> verify_directory(const VerifyOptions& options, std::ostream& out, bool& all_whole) {
  const auto known = read_known(options);
  if (!known) return known.error();
  auto snapshot = Snapshot::open(database_path(options.directory));
  if (!snapshot) return snapshot.error();
  const auto verify_one = [&](const StoredAgent& agent) -> Result<void> {
    const auto log = verify_agent(*snapshot, agent, *known);
    all_whole = all_whole && static_cast<bool>(log);
    out << (log ? to_text(*log) : "broken: " + log.error().detail) << '\n';
    return {};
  };
  const std::string wanted = *known ? (*known)->agent : "";
  if (!options.agent && wanted.empty()) return snapshot->each_agent(verify_one);
  AgentId id;
  if (options.agent) {
    id = *options.agent;
  } else {
    const std::size_t slash = std::min(wanted.find('/'), wanted.size());
    id = {wanted.substr(0, slash), wanted.substr(std::min(slash + 1, wanted.size()))};
  }
  const auto agent = snapshot->find_agent(id);
  if (!agent) return agent.error();
  if (!*agent) return make_error(Code::kNotFound, "there is no agent " + to_string(id));
  return verify_one(**agent);
}

}  // namespace

std::string to_text(const VerifiedLog& log) {
  if (log.first == 0) return log.agent + ": there are no records";
  return log.agent + ": records " + std::to_string(log.first) + " to " + std::to_string(log.last) +
         " are whole, the hash of the last is " + hex(log.hash);
}

Json to_json(const SignedHead& head) {
  Json json = to_json(head.head);
  json["agent"] = head.agent;
  return json;
}

Result<SignedHead> parse_signed_head(const Json& json) {
  auto head = parse_anchor(json);
  if (!head) return head.error();
  const auto agent = json.find("agent");
  if (agent == json.end() || !agent->is_string()) {
    return invalid_fields({{"agent", "", "be the agent's namespace/name"}});
  }
  return SignedHead{agent->get<std::string>(), std::move(*head)};
}

LogVerifier::LogVerifier(std::string agent, const std::optional<Anchor>& anchor,
                         std::optional<SignedHead> known)
    : chain_(anchor ? ChainVerifier(agent, anchor->sequence, anchor->hash) : ChainVerifier(agent)),
      known_(std::move(known)),
      log_{.agent = std::move(agent)} {}

Result<void> LogVerifier::add(const LogRecord& record) {
  if (record.hash == kChainStart && chain_.hash() == kChainStart) {
    // From before there was a chain: it begins behind these.
    chain_ = ChainVerifier(log_.agent, record.number, kChainStart);
    return {};
  }
  auto added = chain_.add({.agent = log_.agent,
                           .sequence = record.number,
                           .kind = static_cast<std::int64_t>(record.kind),
                           .tick = record.tick,
                           .time = record.time,
                           .record = record.text},
                          record.hash);
  if (!added) return added;
  if (log_.first == 0) log_.first = record.number;
  if (known_ && known_->head.sequence == record.number && known_->head.hash != record.hash) {
    return contradiction("must have the hash " + hex(known_->head.hash) +
                         " that its runtime has signed, but has " + hex(record.hash));
  }
  return {};
}

Result<VerifiedLog> LogVerifier::finish(std::int64_t number, const crypto::Digest& hash) {
  if (auto done = chain_.finish(hash); !done) return done.error();
  if (number != chain_.sequence()) {
    return make_error(Code::kInvalidRequest, "AuditChainBroken",
                      "the audit log of agent " + log_.agent + " must end with record " +
                          std::to_string(number) + " but ends with record " +
                          std::to_string(chain_.sequence()));
  }
  if (known_ && known_->head.sequence > number) {
    return contradiction("is signed, but the log ends with record " + std::to_string(number));
  }
  log_.last = chain_.sequence();
  log_.hash = chain_.hash();
  return log_;
}

Error LogVerifier::contradiction(const std::string& what) const {
  return make_error(Code::kInvalidRequest, "AuditChainBroken",
                    "audit record " + std::to_string(known_->head.sequence) + " of agent " +
                        log_.agent + " " + what);
}

bool verify_logs(const VerifyOptions& options, std::ostream& out) {
  bool all_whole = true;
  const auto done = verify_directory(options, out, all_whole);
  if (!done) out << done.error().detail << '\n';
  return done && all_whole;
}

}  // namespace oa::runtime
