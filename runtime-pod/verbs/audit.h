// What a runtime says, and signs, about the audit log of an agent.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker
// or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <optional>

#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/audit/verify.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct AuditHead {
  SignedHead head;
  std::optional<Anchor> anchor;  // where a trimmed log begins
};
// As users see it.
OrderedJson audit_head_document(const AuditHead& head);

// The end of the chain, and the anchor that it begins behind, as of now.
void read_audit_head(const Services& services, const AgentId& agent,
                     std::function<void(Result<AuditHead>)> done);

using AuditPage = Page<LogRecord, std::int64_t>;
// A record with all that its hash covers, `record` byte for byte.
OrderedJson audit_record_document(const LogRecord& record);

// Newest first, from the record with the id `from` on; 0: from the newest.
void list_audit(const Services& services, const AgentId& agent, std::int64_t from, int limit,
                std::function<void(Result<AuditPage>)> done);

}  // namespace oa::runtime
