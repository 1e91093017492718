#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson key() {
  return object({{"key", text()}, {"bytes", integer()}, {"contentType", text()}, {"etag", text()}});
}

constexpr Parameter kIfMatch = {"If-Match", "header", "string",
                                "Write only if the key has one of these ETags, or any (*)."};

}  // namespace

RouteTable kv_routes() {
  return {
      {{list_keys,
        Scope::kAgent,
        "GET",
        "/kv",
        "List keys in order.",
        Body::kNone,
        {{"prefix", "query", "string", "Only keys that begin with it."}, kLimit, kCursor},
        {{200, "Keys with the size, type and ETag of their values.", kJsonType, "KeyList"}}},
       {get_key,
        Scope::kAgent,
        "GET",
        "/kv/{key}",
        "Read a value.",
        Body::kNone,
        {},
        {{200, "The value as it was put, with its type and ETag.", kAnyType, ""}}},
       {put_key,
        Scope::kAgent,
        "PUT",
        "/kv/{key}",
        "Write a value of at most 2 MiB.",
        Body::kAny,
        {kIfMatch,
         {"If-None-Match", "header", "string", "With *: write only if the key does not exist."}},
        {{201, "The key was made.", "", ""},
         {204, "The key had a value, which was replaced.", "", ""}}},
       {delete_key,
        Scope::kAgent,
        "DELETE",
        "/kv/{key}",
        "Delete a key.",
        Body::kNone,
        {kIfMatch},
        {{204, "The key is gone.", "", ""}}}},
      {{"KeyList", list_of(key())}}};
}

}  // namespace oa::runtime
