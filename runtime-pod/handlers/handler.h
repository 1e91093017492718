// What the agent's logic gets, and what it wants to change: the seam between the runtime and the
// kinds of handler.
//
// A handler works on the agent's committed state plus what the tick before it is committing, and
// asks for everything else through its context. Nothing that it asks for in its outcome, or through
// `TickContext::add`, has happened until the tick's commit; a step, an awaited effect, an approval
// and a compensation are commits of their own.
//
// Thread-safety: `run` can be called from any thread, for many agents at a time. Never two at a
// time for one agent, but an attempt that was given up may still be going on. The rest are values.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/error.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

struct KvWrite {
  std::string key;
  std::optional<std::string> value;  // absent: delete
  std::string content_type{};
};

struct AlarmSet {
  std::string name;  // empty: one is made up
  Time at;
  Json payload{};  // null: none
};
struct AlarmCancel {
  std::string name;
};

// To another agent, "namespace/name" or "name", or to the URL of a runtime's agent.
struct MessageSend {
  std::string to;
  Json payload;
};

// Something done to the outside, once for its key as far as the other side takes part.
struct EffectRequest {
  std::string key;  // the idempotency key; unique within the agent
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  Duration max_age = std::chrono::hours(1);  // after it the effect has failed
};

// What became of an effect.
struct EffectOutcome {
  bool delivered = false;  // 2xx; else `error` says what the last attempt met
  int status = 0;
  std::string body;  // of the answer, cut to 64 KiB
  Error error;
};

// A frame for one connection, or for all that have a tag.
struct SocketSend {
  std::string to;  // "CONNECTION" or "tag:TAG"
  std::string data;
  bool binary = false;
};
struct SocketClose {
  std::string connection;
  int code = 1000;
  std::string reason{};
};
// Replaces the tags or the attachment of a connection; absent: unchanged.
struct SocketUpdate {
  std::string connection;
  std::optional<std::vector<std::string>> tags{};
  std::optional<Json> attachment{};
};

struct JobUpdate {
  Json progress{};       // null: unchanged; {"done", "total", "note"}
  bool goes_on = false;  // another tick follows with the same payload
};

// What a tick changes beside its state. Later writes of the same key or alarm win.
struct TickWrites {
  std::vector<KvWrite> kv;
  std::vector<std::variant<AlarmSet, AlarmCancel>> alarms;
  std::vector<MessageSend> sends;
  std::vector<EffectRequest> effects;
  std::vector<std::variant<SocketSend, SocketClose, SocketUpdate>> sockets;
  std::optional<JobUpdate> job;
  bool hibernate = false;
};

struct Usage {
  std::int64_t steps = 0;
  std::int64_t tokens_in = 0;
  std::int64_t tokens_out = 0;
  std::int64_t iterations = 0;
};

struct ApprovalRequest {
  std::string name;  // of the step that waits: the same in every attempt
  Json question;     // shown by GET /approvals
  Duration expires_in = std::chrono::hours(24);
};
enum class Decision { kPending, kApproved, kDenied, kExpired };
struct ApprovalState {
  std::string id;
  Decision decision = Decision::kPending;
  std::string note;
};

// A journalled result: which step, and of what input. The `occurrence` counts uses of one name.
struct StepKey {
  std::string name;
  std::int64_t occurrence = 0;
  std::string input_hash;  // as the handler computes it; a re-run must come with the same
};

// What a running attempt may ask for. Every callback comes once, from any thread, and may come from
// within the call. After the attempt is over every call is refused: CONFLICT, reason TickOver.
//
// Thread-safety: can be used from any thread.
class TickContext {
 public:
  virtual ~TickContext() = default;

  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // The deadline has passed, the caller has cancelled, or the attempt was given up.
  virtual bool is_over() const = 0;
  // `told` once the attempt is over; at once if it is.
  virtual void on_over(std::function<void()> told) = 0;

  // As of the last commit, with this attempt's own writes on top.
  virtual void get_kv(const std::string& key, Done<std::optional<KvValue>> done) = 0;
  virtual void list_kv(const std::string& prefix, const std::string& after, int limit,
                       Done<KvPage> done) = 0;

  // Joins the tick's write set.
  virtual Result<void> add(TickWrites more) = 0;
  virtual void spend(const Usage& more) = 0;

  // The recorded result of an earlier attempt, or nothing. CONFLICT, reason NonDeterministic, if
  // there is one of another input: the envelope is parked.
  virtual void find_step(StepKey step, Done<std::optional<std::string>> done) = 0;
  // Journals a result; `done` once it is on disk.
  virtual void put_step(StepKey step, std::string value, Done<void> done) = 0;

  // Does the effect now, as a step: `done` with what became of it, once that is on disk.
  virtual void perform(EffectRequest effect, Done<EffectOutcome> done) = 0;

  // Asks people. Pending: the handler ends its attempt, which is then parked, and runs again after
  // the decision.
  virtual void ask(ApprovalRequest request, Done<ApprovalState> done) = 0;

  // What is to be done, newest first, if this envelope finally fails.
  virtual void compensate(EffectRequest undo, Done<void> done) = 0;

  // The attempt has failed unless the next beat comes within `next`.
  virtual void heartbeat(Duration next) = 0;

  // For those who watch: leaves at once, and promises nothing.
  virtual void emit(std::string_view event, Json data) = 0;
  // Kept with the tick, or with the failure.
  virtual void log(std::string_view level, std::string text) = 0;
};

struct TickInput {
  AgentId agent;
  std::string uid;
  std::shared_ptr<const AgentSpec> spec;
  std::int64_t epoch = 0;
  std::int64_t tick = 0;  // the same for every attempt
  int attempt = 1;
  Time now;
  Time deadline_time;  // `deadline` on the wall clock, for those who are told
  Monotonic deadline;  // after it the outcome is thrown away
  std::shared_ptr<const Trigger> trigger;
  std::shared_ptr<const Json> state;  // null before the first
  std::shared_ptr<TickContext> context;
};

struct TickOutcome {
  enum class Status {
    kDone,   // the changes below are committed, then `reply` leaves
    kRetry,  // `error`; nothing is committed, the tick runs again
    kFail,   // `error`; nothing is committed but the failure
  };
  Status status = Status::kDone;
  Error error;
  std::shared_ptr<const Json> state;  // replaces the whole; null: unchanged
  TickWrites writes;
  Payload reply;
};

TickOutcome failed_tick(Error error);
TickOutcome retried_tick(Error error);

class Handler {
 public:
  virtual ~Handler() = default;

  // "notebook": for people.
  virtual std::string_view name() const = 0;

  // Never waits: may be called where nothing may block.
  virtual bool is_quick() const { return false; }

  // `done` is to be called once, from any thread, at the latest about `input.deadline`; later ones
  // are ignored.
  virtual void run(TickInput input, std::function<void(TickOutcome)> done) = 0;
};

}  // namespace oa::runtime
