// Approvals: what waits for people, and their decisions.
//
// A decision is one commit with the row of the envelope that waits for it, which then goes on. It
// is made once; whoever decides the same again is told that it stands.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come once, from any
// thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxNoteBytes = 4096;

struct ApprovalDecision {
  std::string id;
  Decision decision = Decision::kApproved;  // or kDenied
  std::string note;                         // for the handler, and for who asks later
  std::string decided_by;                   // empty: nobody in particular
};

struct ApprovalPage {
  std::vector<ApprovalRow> items;
  std::optional<std::string> next;
};

// As users see it.
OrderedJson approval_document(const ApprovalRow& row);

// By id, oldest first. `status`: only such: "Pending", "Approved", "Denied", "Expired", or "All".
// INVALID_REQUEST for another one.
void list_approvals(const Services& services, const AgentId& agent, std::string_view status,
                    const std::string& cursor, int limit,
                    std::function<void(Result<ApprovalPage>)> done);

using ApprovalDone = std::function<void(Result<ApprovalRow>)>;

// NOT_FOUND for one that there never was, or that was decided more than a day ago.
void get_approval(const Services& services, const AgentId& agent, const std::string& id,
                  ApprovalDone done);

// `done` once the decision is on disk. CONFLICT, reason Decided, if it was another one.
void decide_approval(const Services& services, const AgentId& agent, ApprovalDecision decision,
                     ApprovalDone done);

// A row of kApproval is due: what nobody has decided by then has expired.
void expire_approval(const Services& services, const DueRow& row,
                     const std::function<void(bool again)>& done);

}  // namespace oa::runtime
