// One row of the outbox on its way: the request that it makes, what its answer means, and when it
// is tried again.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxOutcomeBytes = 64 * 1024;

struct Outgoing {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct OutgoingAnswer {
  int status = 0;
  std::string retry_after;  // the header as it came
  std::string body;         // may be cut to kMaxOutcomeBytes
};

// What carries requests out.
class Sender {
 public:
  using Done = std::function<void(Result<OutgoingAnswer>)>;

  virtual ~Sender() = default;
  // `done` is called once, from any thread, maybe before this returns. Must not block.
  virtual void send(Outgoing request, Done done) = 0;
};

// Whether it goes to an agent of this process, and not over HTTP.
bool is_local(const OutboxRow& row);

// The request of a row that is not local. `secret` signs a callback; empty: none does.
Outgoing make_outgoing(const OutboxRow& row, std::int64_t epoch, std::string_view secret, Time now);
// What an agent of this process is given.
Trigger make_message(const OutboxRow& row);
// What an agent is told of a row that was given up; `key` is the row's.
Trigger make_failure_event(const OutboxRow& row, const std::string& key, const Error& error,
                           Time now);

// What came of one attempt.
struct Attempted {
  enum class Verdict { kDelivered, kRetry, kFailed };
  Verdict verdict = Verdict::kDelivered;
  EffectOutcome outcome;
  Duration wait{};  // of kRetry: what the other side asked for
};
Attempted judge(const Outgoing& request, Result<OutgoingAnswer> answer, Time now);
Attempted judge_delivery(const Result<void>& delivered);

// Seconds or a date (RFC 9110 section 10.2.3); zero for anything else.
Duration parse_retry_after(std::string_view text, Time now);

// How long to wait after so many attempts: 1 s, doubled to 5 minutes, of which up to a half is left
// to `jitter`, in [0, 1).
Duration outbox_backoff(int attempts, double jitter);

}  // namespace oa::runtime
