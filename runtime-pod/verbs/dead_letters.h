// What could not be processed, and why: to look at, to try again, or to throw away.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come from a worker,
// the store's writer, or the caller's own thread, and must not block.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

struct DeadLetter {
  std::string id;
  DeadLetterRow row;
};
// As users see it.
OrderedJson dead_letter_document(const DeadLetter& letter);

using DeadLetterPage = Page<DeadLetter, std::string>;

// Oldest first, behind the one with the id `after`.
void list_dead_letters(const Services& services, const AgentId& agent, const std::string& after,
                       int limit, std::function<void(Result<DeadLetterPage>)> done);

void find_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                      std::function<void(Result<DeadLetter>)> done);

// Back into the inbox, behind everything that waits, in one commit; `done` with the envelope's id.
// When it was to be processed by is forgotten. RATE_LIMITED, reason Overflow, if the inbox is full.
void replay_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                        std::function<void(Result<std::string>)> done);

void delete_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                        std::function<void(Result<void>)> done);

}  // namespace oa::runtime
