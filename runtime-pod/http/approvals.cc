#include "runtime-pod/verbs/approvals.h"

#include <utility>

#include "core/wire.h"
#include "runtime-pod/http/json_body.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

std::string one_line(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void answer_approval(const CallPtr& call, const Result<ApprovalRow>& row) {
  if (!row) return call->fail(row.error());
  call->answer(net::json_response(200, one_line(approval_document(*row))));
}

}  // namespace

void get_approvals(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  with_agent(call, [call, limit = *limit](const std::shared_ptr<Actor>&) {
    const std::string cursor(call->target.query_value("cursor").value_or(""));
    list_approvals(call->services, call->agent,
                   call->target.query_value("status").value_or("Pending"), cursor, limit,
                   [call](const Result<ApprovalPage>& page) {
                     if (!page) return call->fail(page.error());
                     OrderedJson body = {{"items", OrderedJson::array()}};
                     for (const ApprovalRow& row : page->items) {
                       body["items"].push_back(approval_document(row));
                     }
                     if (page->next) body["cursor"] = *page->next;
                     call->answer(net::json_response(200, one_line(body)));
                   });
  });
}

void get_approval_by_id(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    get_approval(call->services, call->agent, call->match.parameter("id"),
                 [call](const Result<ApprovalRow>& row) { answer_approval(call, row); });
  });
}

void post_approval(const CallPtr& call) {
  with_json_body(call, decision_table(), [call](const Json& body) {
    ApprovalDecision decision{.id = call->match.parameter("id")};
    decision.decision = body["decision"] == "Approve" ? Decision::kApproved : Decision::kDenied;
    decision.note = body.value("note", "");
    decision.decided_by = call->header(wire::kHeaderSender);
    with_agent(call, [call, decision = std::move(decision)](const std::shared_ptr<Actor>&) {
      decide_approval(call->services, call->agent, decision,
                      [call](const Result<ApprovalRow>& row) { answer_approval(call, row); });
    });
  });
}

}  // namespace oa::runtime
