#include "runtime-pod/agent/rows.h"

#include <array>
#include <cstdlib>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/row_pieces.h"

namespace oa::runtime {
namespace {

constexpr std::array<std::string_view, 6> kEnvelopeStatus{"Queued", "Waiting",   "Succeeded",
                                                          "Failed", "Cancelled", "DeadLettered"};
constexpr std::array<std::string_view, 5> kJobStatus{"Queued", "Running", "Succeeded", "Failed",
                                                     "Cancelled"};
constexpr std::array<std::string_view, 4> kDecision{"Pending", "Approved", "Denied", "Expired"};

// A part of a key, such that none is the beginning of another.
std::string key_part(std::string_view text) {
  std::string part;
  for (const char c : text) {
    if (c == '%') {
      part += "%25";
    } else if (c == '/') {
      part += "%2F";
    } else {
      part += c;
    }
  }
  return part + '/';
}

}  // namespace

std::string ordinal_key(std::int64_t ordinal) {
  if (ordinal < 0) std::abort();
  static constexpr char kHex[] = "0123456789abcdef";
  std::string key(16, '0');
  for (std::size_t i = 16; ordinal != 0; ordinal >>= 4) key[--i] = kHex[ordinal & 15];
  return key;
}

std::string encode(const InboxRow& row) {
  RowWriter out;
  write_member(out, "trigger", row.trigger);
  out.number("attempt", row.attempt, 1);
  out.text("job", row.job);
  out.text("approval", row.approval);
  out.number("ticks", row.ticks);
  out.text("replay", row.replay);
  out.text("fingerprint", row.fingerprint);
  return std::move(out).finish();
}

Result<InboxRow> decode_inbox(std::string_view text) {
  return decode_row<InboxRow>("inbox", text, [](RowReader& in, InboxRow& row) {
    read_member(in, "trigger", row.trigger);
    in.number("attempt", row.attempt);
    in.text("job", row.job);
    in.text("approval", row.approval);
    in.number("ticks", row.ticks);
    in.text("replay", row.replay);
    in.text("fingerprint", row.fingerprint);
  });
}

std::string_view status_name(EnvelopeRow::Status status) {
  return kEnvelopeStatus[static_cast<std::size_t>(status)];
}

std::string encode(const EnvelopeRow& row) {
  RowWriter out;
  out.text("status", status_name(row.status));
  out.time("accepted", row.accepted);
  out.time("finished", row.finished);
  write_member(out, "report", row.report);
  write_member(out, "error", row.error);
  out.text("deadLetter", row.dead_letter);
  out.text("inbox", row.inbox);
  return std::move(out).finish();
}

Result<EnvelopeRow> decode_envelope(std::string_view text) {
  return decode_row<EnvelopeRow>("envelope", text, [](RowReader& in, EnvelopeRow& row) {
    in.choice("status", row.status, kEnvelopeStatus);
    in.time("accepted", row.accepted);
    in.time("finished", row.finished);
    read_member(in, "report", row.report);
    read_member(in, "error", row.error);
    in.text("deadLetter", row.dead_letter);
    in.text("inbox", row.inbox);
  });
}

std::string encode(const ReplayRow& row) {
  RowWriter out;
  out.text("fingerprint", row.fingerprint);
  write_member(out, "report", row.report);
  write_member(out, "error", row.error);
  out.json("answer", row.answer);
  out.text("envelopeId", row.envelope_id);
  return std::move(out).finish();
}

Result<ReplayRow> decode_replay(std::string_view text) {
  return decode_row<ReplayRow>("replay", text, [](RowReader& in, ReplayRow& row) {
    in.text("fingerprint", row.fingerprint);
    read_member(in, "report", row.report);
    read_member(in, "error", row.error);
    in.json("answer", row.answer);
    in.text("envelopeId", row.envelope_id);
  });
}

std::string step_key(std::string_view envelope_id, std::string_view name, std::int64_t occurrence) {
  return key_part(envelope_id) + key_part(name) + ordinal_key(occurrence);
}

std::string step_prefix(std::string_view envelope_id) { return key_part(envelope_id); }

std::string encode(const StepRow& row) {
  RowWriter out;
  out.text("inputHash", row.input_hash);
  out.text("revision", row.revision);
  out.bytes("value", row.value);
  return std::move(out).finish();
}

Result<StepRow> decode_step(std::string_view text) {
  return decode_row<StepRow>("step", text, [](RowReader& in, StepRow& row) {
    in.text("inputHash", row.input_hash);
    in.text("revision", row.revision);
    in.bytes("value", row.value);
  });
}

std::string_view status_name(JobRow::Status status) {
  return kJobStatus[static_cast<std::size_t>(status)];
}

std::string encode(const JobRow& row) {
  RowWriter out;
  out.text("id", row.id);
  out.text("status", status_name(row.status));
  out.json("progress", row.progress);
  write_member(out, "output", row.output);
  write_member(out, "error", row.error);
  out.time("created", row.created);
  out.time("started", row.started);
  out.time("finished", row.finished);
  out.time("expires", row.expires);
  out.time("deadline", row.deadline);
  out.number("ticks", row.ticks);
  out.number("ttl", row.ttl.count(), JobRow{}.ttl.count());
  out.text("callbackUrl", row.callback_url);
  out.text("callbackSecret", row.callback_secret);
  out.text("isolated", row.isolated);
  out.text("inbox", row.inbox);
  out.text("envelopeId", row.envelope_id);
  return std::move(out).finish();
}

Result<JobRow> decode_job(std::string_view text) {
  return decode_row<JobRow>("job", text, [](RowReader& in, JobRow& row) {
    in.text("id", row.id);
    in.choice("status", row.status, kJobStatus);
    in.json("progress", row.progress);
    read_member(in, "output", row.output);
    read_member(in, "error", row.error);
    in.time("created", row.created);
    in.time("started", row.started);
    in.time("finished", row.finished);
    in.time("expires", row.expires);
    in.time("deadline", row.deadline);
    in.number("ticks", row.ticks);
    in.duration("ttl", row.ttl);
    in.text("callbackUrl", row.callback_url);
    in.text("callbackSecret", row.callback_secret);
    in.text("isolated", row.isolated);
    in.text("inbox", row.inbox);
    in.text("envelopeId", row.envelope_id);
  });
}

OrderedJson job_document(const JobRow& row) {
  OrderedJson json{{"id", row.id}, {"status", status_name(row.status)}};
  if (!row.progress.is_null()) json["progress"] = row.progress;
  if (row.output && row.output->is_raw) {
    json["outputBase64"] = crypto::base64_encode(row.output->body);
    json["contentType"] = row.output->content_type;
  } else if (row.output) {
    OrderedJson output = OrderedJson::parse(row.output->body, nullptr, /*allow_exceptions=*/false);
    json["output"] = output.is_discarded() ? OrderedJson(row.output->body) : std::move(output);
  }
  if (row.error) json["error"] = to_json(*row.error);
  json["createdAt"] = format_time_millis(row.created);
  if (row.started) json["startedAt"] = format_time_millis(*row.started);
  if (row.finished) json["finishedAt"] = format_time_millis(*row.finished);
  json["ticks"] = row.ticks;
  if (row.expires) json["expiresAt"] = format_time_millis(*row.expires);
  return json;
}

std::string encode(const DeadLetterRow& row) {
  RowWriter out;
  write_member(out, "trigger", row.trigger);
  out.text("reason", row.reason);
  write_member(out, "error", row.error);
  out.number("attempts", row.attempts);
  out.time("accepted", row.accepted);
  out.time("buried", row.buried);
  return std::move(out).finish();
}

Result<DeadLetterRow> decode_dead_letter(std::string_view text) {
  return decode_row<DeadLetterRow>("dead letter", text, [](RowReader& in, DeadLetterRow& row) {
    read_member(in, "trigger", row.trigger);
    in.text("reason", row.reason);
    read_member(in, "error", row.error);
    in.number("attempts", row.attempts);
    in.time("accepted", row.accepted);
    in.time("buried", row.buried);
  });
}

std::string_view decision_name(Decision decision) {
  return kDecision[static_cast<std::size_t>(decision)];
}

std::string encode(const ApprovalRow& row) {
  RowWriter out;
  out.text("id", row.id);
  out.text("envelopeId", row.envelope_id);
  out.text("name", row.name);
  out.json("question", row.question);
  out.time("created", row.created);
  out.time("expires", row.expires);
  out.text("decision", decision_name(row.decision));
  out.text("note", row.note);
  out.text("decidedBy", row.decided_by);
  return std::move(out).finish();
}

Result<ApprovalRow> decode_approval(std::string_view text) {
  return decode_row<ApprovalRow>("approval", text, [](RowReader& in, ApprovalRow& row) {
    in.text("id", row.id);
    in.text("envelopeId", row.envelope_id);
    in.text("name", row.name);
    in.json("question", row.question);
    in.time("created", row.created);
    in.time("expires", row.expires);
    in.choice("decision", row.decision, kDecision);
    in.text("note", row.note);
    in.text("decidedBy", row.decided_by);
  });
}

std::string compensation_key(std::string_view envelope_id, std::int64_t ordinal) {
  return key_part(envelope_id) + ordinal_key(ordinal);
}

std::string compensation_prefix(std::string_view envelope_id) { return key_part(envelope_id); }

}  // namespace oa::runtime
