// The OpenAPI 3.1 document of exactly what is served, from the table of http/routes.h.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "core/json.h"
#include "runtime-pod/http/routes.h"

namespace oa::runtime {

OrderedJson openapi_document(Mode mode, const std::string& version);

}  // namespace oa::runtime
