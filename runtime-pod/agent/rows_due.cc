#include <array>

#include "runtime-pod/agent/row_pieces.h"
#include "runtime-pod/agent/rows.h"

namespace oa::runtime {
namespace {

constexpr std::array<std::string_view, 3> kOutboxKind{"Effect", "Message", "Callback"};

}  // namespace

std::string encode(const OutboxRow& row) {
  RowWriter out;
  out.text("kind", kOutboxKind[static_cast<std::size_t>(row.kind)]);
  out.text("id", row.id);
  out.text("destination", row.destination);
  out.text("to", row.to);
  write_member(out, "effect", row.effect);
  out.text("sender", row.sender);
  out.text("payload", row.payload);
  out.text("secret", row.secret);
  out.text("traceparent", row.traceparent);
  out.time("created", row.created);
  out.number("attempts", row.attempts);
  write_member(out, "lastError", row.last_error);
  return std::move(out).finish();
}

Result<OutboxRow> decode_outbox(std::string_view text) {
  return decode_row<OutboxRow>("outbox", text, [](RowReader& in, OutboxRow& row) {
    in.choice("kind", row.kind, kOutboxKind);
    in.text("id", row.id);
    in.text("destination", row.destination);
    in.text("to", row.to);
    read_member(in, "effect", row.effect);
    in.text("sender", row.sender);
    in.text("payload", row.payload);
    in.text("secret", row.secret);
    in.text("traceparent", row.traceparent);
    in.time("created", row.created);
    in.number("attempts", row.attempts);
    read_member(in, "lastError", row.last_error);
  });
}

std::string encode(const EffectRow& row) {
  RowWriter out;
  out.text("outbox", row.outbox);
  write_member(out, "outcome", row.outcome);
  out.number("attempts", row.attempts);
  out.time("finished", row.finished);
  return std::move(out).finish();
}

Result<EffectRow> decode_effect(std::string_view text) {
  return decode_row<EffectRow>("effect", text, [](RowReader& in, EffectRow& row) {
    in.text("outbox", row.outbox);
    read_member(in, "outcome", row.outcome);
    in.number("attempts", row.attempts);
    in.time("finished", row.finished);
  });
}

std::string encode(const EffectRequest& effect) {
  RowWriter out;
  write(out, effect);
  return std::move(out).finish();
}

Result<EffectRequest> decode_effect_request(std::string_view text) {
  return decode_row<EffectRequest>("compensation", text,
                                   [](RowReader& in, EffectRequest& effect) { read(in, effect); });
}

std::string encode(const AlarmRow& row) {
  RowWriter out;
  out.text("name", row.name);
  out.time("at", row.at);
  out.json("payload", row.payload);
  out.text("traceparent", row.traceparent);
  return std::move(out).finish();
}

Result<AlarmRow> decode_alarm(std::string_view text) {
  return decode_row<AlarmRow>("alarm", text, [](RowReader& in, AlarmRow& row) {
    in.text("name", row.name);
    in.time("at", row.at);
    in.json("payload", row.payload);
    in.text("traceparent", row.traceparent);
  });
}

std::string encode(const ScheduleRow& row) {
  RowWriter out;
  out.time("next", row.next);
  out.number("missed", row.missed);
  out.number("fired", row.fired);
  out.number("ran", row.ran);
  out.text("digest", row.digest);
  return std::move(out).finish();
}

Result<ScheduleRow> decode_schedule(std::string_view text) {
  return decode_row<ScheduleRow>("schedule", text, [](RowReader& in, ScheduleRow& row) {
    in.time("next", row.next);
    in.number("missed", row.missed);
    in.number("fired", row.fired);
    in.number("ran", row.ran);
    in.text("digest", row.digest);
  });
}

std::string encode(const SocketRow& row) {
  RowWriter out;
  out.texts("tags", row.tags);
  out.json("attachment", row.attachment);
  out.time("opened", row.opened);
  out.text("session", row.session);
  return std::move(out).finish();
}

Result<SocketRow> decode_socket(std::string_view text) {
  return decode_row<SocketRow>("socket", text, [](RowReader& in, SocketRow& row) {
    in.texts("tags", row.tags);
    in.json("attachment", row.attachment);
    in.time("opened", row.opened);
    in.text("session", row.session);
  });
}

}  // namespace oa::runtime
