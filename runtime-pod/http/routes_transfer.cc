#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

using namespace openapi;

RouteTable transfer_routes() {
  return {
      {{get_export,
        Scope::kAgent,
        "GET",
        "/export",
        "The agent as one archive, as of one moment.",
        Body::kNone,
        {},
        {{200, "A tar file; the last member has the digest of all before it.", "application/x-tar",
          ""}}},
       {post_import,
        Scope::kAgent,
        "POST",
        "/import",
        "Make an agent of an archive, or give its keys to one.",
        Body::kAny,
        {{"mode", "query", "string",
          "restore: as it was; clone: another agent that knows the same; merge: keys only."}},
        {{200, "The keys that were not there are.", kJsonType, "Imported"},
         {201, "The agent is there, with all of it.", kJsonType, "Imported"}}}},
      {{"Imported",
        object({{"namespace", text()}, {"name", text()}, {"uid", text()}, {"rows", integer()}})}}};
}

}  // namespace oa::runtime
