// Whether audit logs are whole, without a runtime: `agent-runtime verify`.
//
// A database that was changed together with all of its hashes is whole by itself. Who keeps what
// `GET /audit/head` said, with the runtime's public key, can tell also that.
//
// Thread-safety: can be called from any thread. Reads the disk, so not on an I/O thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/agent.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/crypto/ed25519.h"
#include "runtime-pod/audit/chain.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// What the chain of an agent was at a moment, by a statement that its runtime has signed.
struct SignedHead {
  std::string agent;  // "namespace/name"
  Anchor head;        // sequence 0: there was no record
};
// {"agent", "sequence", "hash", "time", "signature"}
Json to_json(const SignedHead& head);
// Other members are ignored. INVALID_REQUEST, field by field.
Result<SignedHead> parse_signed_head(const Json& json);

// The records of an agent that are there.
struct VerifiedLog {
  std::string agent;
  std::int64_t first = 0;  // 0: none
  std::int64_t last = 0;
  crypto::Digest hash{};  // of the last one
};

// One line for people.
std::string to_text(const VerifiedLog& log);

// Checks the records of an agent as they come, oldest first.
class LogVerifier {
 public:
  // `anchor`: the newest record that was trimmed, where there is one. `known`: of this agent, its
  // signature checked.
  LogVerifier(std::string agent, const std::optional<Anchor>& anchor,
              std::optional<SignedHead> known);

  Result<void> add(const LogRecord& record);
  // INVALID_REQUEST, reason AuditChainBroken, also if it is not what `known` says.
  Result<VerifiedLog> finish(std::int64_t number, const crypto::Digest& hash);

 private:
  Error contradiction(const std::string& what) const;

  ChainVerifier chain_;
  std::optional<SignedHead> known_;
  VerifiedLog log_;
};

struct VerifyOptions {
  std::string directory;         // a data directory
  std::optional<AgentId> agent;  // only this one of it
  std::string head_file;         // an answer of GET /audit/head; empty: none
  std::string key_file;          // the public key as PEM that must have signed it
};

// Prints a line for each agent. True: all logs are whole.
bool verify_logs(const VerifyOptions& options, std::ostream& out);

}  // namespace oa::runtime
