#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/approvals.h"

namespace oa::runtime {
namespace {

using namespace openapi;
using schema::Kind;

OrderedJson approval() {
  return object(
      {{"id", text()},
       {"name", text()},
       {"status", {{"type", "string"}, {"enum", {"Pending", "Approved", "Denied", "Expired"}}}},
       {"envelopeId", text()},
       {"question", reference("")},
       {"createdAt", time()},
       {"expiresAt", time()},
       {"note", text()},
       {"decidedBy", text()}});
}

}  // namespace

const schema::Field& decision_table() {
  static const schema::Field table = {
      .kind = Kind::kObject,
      .description = "A decision.",
      .fields = {{.name = "decision",
                  .description = "What is decided.",
                  .required = true,
                  .enumeration = {"Approve", "Deny"}},
                 {.name = "note",
                  .description = "For the agent, and for who asks later.",
                  .max_length = kMaxNoteBytes}}};
  return table;
}

RouteTable approval_routes() {
  return {{{get_approvals,
            Scope::kAgent,
            "GET",
            "/approvals",
            "List what waits for a decision, oldest first.",
            Body::kNone,
            {{"status", "query", "string",
              "Pending if absent; Approved, Denied or Expired of the last day; or All."},
             kLimit,
             kCursor},
            {{200, "Approvals.", kJsonType, "ApprovalList"}}},
           {get_approval_by_id,
            Scope::kAgent,
            "GET",
            "/approvals/{id}",
            "Look at an approval.",
            Body::kNone,
            {},
            {{200, "The approval.", kJsonType, "Approval"}}},
           {post_approval,
            Scope::kAgent,
            "POST",
            "/approvals/{id}",
            "Decide. What waited for it goes on.",
            Body::kAny,
            {kSenderHeader},
            {{200, "The decision is durable.", kJsonType, "Approval"}},
            "Decision"}},
          {{"Decision", schema::to_openapi(decision_table())},
           {"Approval", approval()},
           {"ApprovalList", list_of(reference("Approval"))}}};
}

}  // namespace oa::runtime
