// The routes of the context API (handlers/context_api.h): one call of a handler, done to the
// context of its tick.
//
// Thread-safety: can be called from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/clock.h"
#include "libs/net/http_server.h"
#include "libs/net/message.h"
#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

// The largest value of a key, with room for the JSON around an effect.
inline constexpr std::size_t kMaxCallBytes = 3 * 1024 * 1024;
// Of one attempt: what a handler that runs wild may cost.
inline constexpr std::size_t kMaxTickCalls = 100'000;               // 429 above
inline constexpr std::size_t kMaxTickCallBytes = 64 * 1024 * 1024;  // 429 above

// An attempt whose token is alive.
struct OpenTick {
  std::shared_ptr<TickContext> context;
  std::int64_t tick = 0;
  int attempt = 1;
  Time deadline;
  std::atomic<std::size_t> calls{0};
  std::atomic<std::size_t> bytes{0};  // of all bodies
};

// Answers once, maybe later.
void serve_context_call(std::shared_ptr<OpenTick> tick, const Clock& clock, net::Request request,
                        net::Respond respond);

}  // namespace oa::runtime
