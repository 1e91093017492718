// ETags of keys, and the conditions that a request puts on them (RFC 9110 section 13).
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// The agent's row is part of it, so that a deleted agent's ETags fit nothing of a new one's.
std::string make_etag(AgentKey agent, std::int64_t version);

// From the values of the headers, empty if absent. INVALID_REQUEST for an If-None-Match other than
// `*`, which is not supported for writes.
Result<ItemCondition> read_condition(AgentKey agent, std::string_view if_match,
                                     std::string_view if_none_match);

}  // namespace oa::runtime
