// Paths as clients are told them.
//
// Thread-safety: functions of what they are given.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "runtime-pod/http/api.h"
#include "runtime-pod/http/path.h"

namespace oa::runtime {

// Below the call's agent: {"envelopes", ID} is "/envelopes/ID" in a pod, else with the agent's path
// in front.
std::string agent_link(const Call& call, std::initializer_list<std::string_view> segments);

}  // namespace oa::runtime
