// JSON bodies of requests, described by a table that also gives their schema in the OpenAPI
// document.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <functional>

#include "core/json.h"
#include "core/schema.h"
#include "runtime-pod/http/api.h"

namespace oa::runtime {

// Calls `then` with the body if it is what `table` says, with no field more; members that are null
// are left out. Or answers INVALID_REQUEST. `table` must outlive the call.
void with_json_body(const CallPtr& call, const schema::Field& table,
                    std::function<void(Json)> then);

}  // namespace oa::runtime
