// What the rows of an agent say: the values of the items (storage/records.h) as structs, and their
// JSON. A row that was written by an older program is read with its missing fields at their
// defaults; fields of a newer one are ignored.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/error.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// How long what is over can still be asked about, and its repeats are told.
inline constexpr Duration kRemembered = std::chrono::hours(24);

// Keys of rows that are kept in order: 16 hex digits.
std::string ordinal_key(std::int64_t ordinal);

// kInbox. An accepted envelope that waits for its tick, or for somebody.
struct InboxRow {
  Trigger trigger;
  int attempt = 1;         // of the next run
  std::string job;         // its job's id; empty: none
  std::string approval;    // not empty: it waits for this one's decision and is not run before
  std::int64_t ticks = 0;  // of a job: how many there were
  // Of a run under an Idempotency-Key: which row of kReplay waits for its answer, and of what
  // request.
  std::string replay;
  std::string fingerprint;
};
std::string encode(const InboxRow& row);
Result<InboxRow> decode_inbox(std::string_view text);

// A tick's answer, as it goes out.
struct Reply {
  bool is_raw = false;  // `body` is bytes of `content_type`, else JSON
  std::string body;
  std::string content_type;

  bool operator==(const Reply&) const = default;
};

// What a caller is told once its item is on disk.
struct TickReport {
  std::int64_t tick = 0;
  std::string envelope_id;
  Duration duration{};  // of the attempt that was committed
  std::int64_t storage_bytes = 0;
  Usage usage;
  Reply reply;
  std::int64_t version = 0;  // of the commit
  bool replaced = false;     // by the first item that it wrote
  bool hibernates = false;   // the handler asks for the agent to be put to sleep
  bool is_waiting = false;   // for somebody: nothing of the above but the envelope's id is known
};

// kEnvelope. What became of an envelope; kept until it expires.
struct EnvelopeRow {
  enum class Status { kQueued, kWaiting, kSucceeded, kFailed, kCancelled, kDeadLettered };
  Status status = Status::kQueued;
  Time accepted;
  std::optional<Time> finished;
  std::optional<TickReport> report;  // of kSucceeded
  std::optional<Error> error;        // of kFailed, kCancelled, kDeadLettered
  std::string dead_letter;           // its key
  std::string inbox;                 // the key of the row that waits
};
std::string_view status_name(EnvelopeRow::Status status);
std::string encode(const EnvelopeRow& row);
Result<EnvelopeRow> decode_envelope(std::string_view text);

// kReplay. The first answer under an Idempotency-Key.
struct ReplayRow {
  std::string fingerprint;           // of the request: another one is a conflict
  std::optional<TickReport> report;  // of a run
  std::optional<Error> error;        // a permanent failure
  Json answer;                       // of another verb: what was answered; null: none
  std::string envelope_id;           // of a run that goes on: nothing of the above is known yet
};
std::string encode(const ReplayRow& row);
Result<ReplayRow> decode_replay(std::string_view text);

// kStep. Key: envelope id, name and occurrence, by `step_key`.
struct StepRow {
  std::string input_hash;
  std::string revision;  // of the handler that made it
  std::string value;
};
std::string step_key(std::string_view envelope_id, std::string_view name, std::int64_t occurrence);
std::string step_prefix(std::string_view envelope_id);  // of all of an envelope's
std::string encode(const StepRow& row);
Result<StepRow> decode_step(std::string_view text);

// kOutbox. Something that is still to be done for an agent.
struct OutboxRow {
  enum class Kind { kEffect, kMessage, kCallback };
  Kind kind = Kind::kEffect;
  std::string id;           // the effect's key, the message's envelope id, the job's id
  std::string destination;  // what is kept in order: "https://host:port", "agent namespace/name"
  std::string to;           // of kMessage: "namespace/name", or a URL
  EffectRequest effect;     // of kEffect and kCallback
  std::string sender;       // of kMessage: the sending agent
  std::string payload;      // of kMessage: JSON
  std::string secret;       // of kCallback: which secret signs it; empty: none
  std::string traceparent;
  Time created;
  int attempts = 0;
  std::optional<Error> last_error;
};
std::string encode(const OutboxRow& row);
Result<OutboxRow> decode_outbox(std::string_view text);

// kEffect. An effect that somebody waits for, or the final state of one, kept until it expires.
struct EffectRow {
  std::string outbox;  // the key of its row in the outbox while it is still to be done; else empty
  EffectOutcome outcome;
  int attempts = 0;
  Time finished;
};
std::string encode(const EffectRow& row);
Result<EffectRow> decode_effect(std::string_view text);

// kAlarm. `number` of its item is the generation, its due time the time.
struct AlarmRow {
  std::string name;  // empty: that of its key
  Time at;
  Json payload;  // null: none
  std::string traceparent;
};
std::string encode(const AlarmRow& row);
Result<AlarmRow> decode_alarm(std::string_view text);

// kSchedule. What its next fire is, and how it went so far. Cron, time zone, policy and payload are
// the spec's.
struct ScheduleRow {
  Time next;
  std::int64_t missed = 0;  // fires before `next` that it stands for
  std::int64_t fired = 0;
  std::int64_t ran = 0;
  std::string digest;  // of cron and time zone: `next` holds for these
};
std::string encode(const ScheduleRow& row);
Result<ScheduleRow> decode_schedule(std::string_view text);

// kJob.
struct JobRow {
  enum class Status { kQueued, kRunning, kSucceeded, kFailed, kCancelled };
  std::string id;
  Status status = Status::kQueued;
  Json progress;  // null: none
  std::optional<Reply> output;
  std::optional<Error> error;
  Time created;
  std::optional<Time> started;
  std::optional<Time> finished;
  std::optional<Time> expires;  // of a finished one
  std::optional<Time> deadline;
  std::int64_t ticks = 0;
  Duration ttl = std::chrono::hours(24);
  std::string callback_url;     // empty: none
  std::string callback_secret;  // which secret signs it
  std::string isolated;         // the name of the agent that runs it; empty: the agent itself
  std::string inbox;            // the key of the row that waits
  std::string envelope_id;
};
std::string_view status_name(JobRow::Status status);
std::string encode(const JobRow& row);
Result<JobRow> decode_job(std::string_view text);
// As users see it (wire.md).
OrderedJson job_document(const JobRow& row);

// kDeadLetter.
struct DeadLetterRow {
  Trigger trigger;
  std::string reason;  // "Overflow", "Expired", "MaxAttempts", "NonDeterministic", ...
  Error error;
  int attempts = 0;
  Time accepted;
  Time buried;
};
std::string encode(const DeadLetterRow& row);
Result<DeadLetterRow> decode_dead_letter(std::string_view text);

// kApproval.
struct ApprovalRow {
  std::string id;
  std::string envelope_id;
  std::string name;
  Json question;
  Time created;
  Time expires;
  Decision decision = Decision::kPending;
  std::string note;
  std::string decided_by;
};
std::string_view decision_name(Decision decision);
std::string encode(const ApprovalRow& row);
Result<ApprovalRow> decode_approval(std::string_view text);

// kSocket.
struct SocketRow {
  std::vector<std::string> tags;
  Json attachment;  // null: none
  Time opened;
  std::string session;  // of a resumable one: the key of its frames; empty: none
};
std::string encode(const SocketRow& row);
Result<SocketRow> decode_socket(std::string_view text);

// kCompensation. Key: by `compensation_key`; the last one is done first.
std::string compensation_key(std::string_view envelope_id, std::int64_t ordinal);
std::string compensation_prefix(std::string_view envelope_id);
std::string encode(const EffectRequest& effect);
Result<EffectRequest> decode_effect_request(std::string_view text);
// Authorization, Cookie and their likes: no row keeps such a header of a request.
bool is_secret_header(std::string_view name);

// Pieces that several of them have.
Json to_json(const Error& error);
// INTERNAL, reason Corrupt, for what is no error.
Error error_from(const Json& json);
Json to_json(const Trigger& trigger);
Result<Trigger> trigger_from(const Json& json);

}  // namespace oa::runtime
