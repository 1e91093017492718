#include "runtime-pod/verbs/audit.h"

#include <utility>

#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

void list_audit_records(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  const auto cursor = read_record_cursor(call->target);
  if (!cursor) return call->fail(cursor.error());
  list_audit(call->services, call->agent, cursor->value_or(0), *limit,
             [call](const Result<AuditPage>& page) {
               if (!page) return call->fail(page.error());
               OrderedJson body{{"items", OrderedJson::array()}};
               for (const LogRecord& record : page->items) {
                 body["items"].push_back(audit_record_document(record));
               }
               if (page->next) body["cursor"] = std::to_string(*page->next);
               call->answer(net::json_response(200, body.dump()));
             });
}

void get_audit_head(const CallPtr& call) {
  read_audit_head(call->services, call->agent, [call](const Result<AuditHead>& head) {
    if (!head) return call->fail(head.error());
    call->answer(net::json_response(200, audit_head_document(*head).dump()));
  });
}

void get_audit_key(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    net::Response response;
    response.headers.add("Content-Type", "application/x-pem-file");
    response.body = crypto::to_pem(call->services.signing_key->public_key());
    call->answer(std::move(response));
  });
}

}  // namespace oa::runtime
