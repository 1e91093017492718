// The Service of an agent: port 80 of its name leads to its pod's HTTP port.
//
// Thread-safety: pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/agent.h"
#include "libs/kube/object.h"

namespace oa::op {

// The whole Service, ready for server-side apply.
nlohmann::json build_service(const kube::Object& agent);

}  // namespace oa::op
