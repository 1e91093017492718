#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson statement() {
  return {{"sequence", integer()}, {"hash", text()}, {"time", time()}, {"signature", text()}};
}

OrderedJson head() {
  OrderedJson properties{{"agent", text()}};
  properties.update(statement());
  properties["anchor"] = object(statement());
  return object(std::move(properties));
}

OrderedJson record() {
  return object({{"sequence", integer()},
                 {"kind", integer()},
                 {"tick", integer()},
                 {"time", time()},
                 {"hash", text()},
                 {"record", text()}});
}

}  // namespace

RouteTable audit_routes() {
  return {{{list_audit_records,
            Scope::kAgent,
            "GET",
            "/audit",
            "Records of ticks with the hashes that chain them, newest first.",
            Body::kNone,
            {kLimit, kCursor},
            {{200, "All that the hashes cover, as it is stored.", kJsonType, "AuditList"}}},
           {get_audit_head,
            Scope::kAgent,
            "GET",
            "/audit/head",
            "The newest record's number and hash, signed with the runtime's key.",
            Body::kNone,
            {},
            {{200, "To be kept by who wants to tell later whether the log was changed.", kJsonType,
              "AuditHead"}}},
           {get_audit_key,
            Scope::kAgent,
            "GET",
            "/audit/key",
            "The public key of the runtime's signatures: Ed25519.",
            Body::kNone,
            {},
            {{200, "The key as PEM.", "application/x-pem-file", ""}}}},
          {{"AuditHead", head()}, {"AuditList", list_of(record())}}};
}

}  // namespace oa::runtime
