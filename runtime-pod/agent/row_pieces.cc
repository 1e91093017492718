#include "runtime-pod/agent/row_pieces.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "libs/net/message.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kCodes = static_cast<std::size_t>(Code::kInternal) + 1;
constexpr std::size_t kTriggers = static_cast<std::size_t>(TriggerType::kManual) + 1;

std::array<std::string_view, kCodes> code_names() {
  std::array<std::string_view, kCodes> names;
  for (std::size_t i = 0; i < kCodes; ++i) names[i] = code_name(static_cast<Code>(i));
  return names;
}

std::array<std::string_view, kTriggers> trigger_names() {
  std::array<std::string_view, kTriggers> names;
  for (std::size_t i = 0; i < kTriggers; ++i) {
    names[i] = trigger_name(static_cast<TriggerType>(i));
  }
  return names;
}

void write(RowWriter& out, const Usage& usage) {
  out.number("steps", usage.steps);
  out.number("tokensIn", usage.tokens_in);
  out.number("tokensOut", usage.tokens_out);
  out.number("iterations", usage.iterations);
}

void read(RowReader& in, Usage& usage) {
  in.number("steps", usage.steps);
  in.number("tokensIn", usage.tokens_in);
  in.number("tokensOut", usage.tokens_out);
  in.number("iterations", usage.iterations);
}

// The member that holds the payload tells its kind.
void write(RowWriter& out, const Payload& payload) {
  switch (payload.kind) {
    case Payload::Kind::kJson:
      out.present_json("json", payload.json);
      break;
    case Payload::Kind::kText:
      out.text("text", payload.data);
      break;
    case Payload::Kind::kBytes:
      out.base64("base64", payload.data);
      break;
  }
  out.text("contentType", payload.content_type);
}

void read(RowReader& in, Payload& payload) {
  if (in.has("json")) {
    payload.kind = Payload::Kind::kJson;
    in.json("json", payload.json);
  } else if (in.has("base64")) {
    payload.kind = Payload::Kind::kBytes;
    in.base64("base64", payload.data);
  } else {
    in.text("text", payload.data);
  }
  in.text("contentType", payload.content_type);
}

void write(RowWriter& out, const Envelope& envelope) {
  out.text("id", envelope.id);
  out.text("source", envelope.source);
  out.text("sender", envelope.sender);
  out.number("seq", envelope.seq);
  out.time("time", envelope.time);
  out.time("expiresAt", envelope.expires_at);
  out.text("traceparent", envelope.traceparent);
  out.object("payload", [&] { write(out, envelope.payload); });
}

void read(RowReader& in, Envelope& envelope) {
  in.text("id", envelope.id);
  in.text("source", envelope.source);
  in.text("sender", envelope.sender);
  in.number("seq", envelope.seq);
  in.time("time", envelope.time);
  in.time("expiresAt", envelope.expires_at);
  in.text("traceparent", envelope.traceparent);
  in.object("payload", [&](RowReader& inner) { read(inner, envelope.payload); });
}

// The JSON of a piece; its text is always JSON.
template <typename T>
Json piece_json(const T& piece) {
  RowWriter out;
  write(out, piece);
  return Json::parse(std::move(out).finish());
}

}  // namespace

void write(RowWriter& out, const Error& error) {
  out.text("code", code_name(error.code));
  out.text("reason", error.reason);
  out.text("detail", error.detail);
  out.flag("retryable", error.retryable);
  out.objects("fields", error.fields, [&](const FieldError& field) {
    out.text("path", field.path);
    out.text("value", field.value);
    out.text("must", field.must);
  });
}

void read(RowReader& in, Error& error) {
  in.choice("code", error.code, code_names());
  in.text("reason", error.reason);
  in.text("detail", error.detail);
  in.flag("retryable", error.retryable);
  in.objects("fields", error.fields, [](RowReader& inner, FieldError& field) {
    inner.text("path", field.path);
    inner.text("value", field.value);
    inner.text("must", field.must);
  });
}

void write(RowWriter& out, const Trigger& trigger) {
  out.text("type", trigger_name(trigger.type));
  out.object("envelope", [&] { write(out, trigger.envelope); });
}

void read(RowReader& in, Trigger& trigger) {
  in.choice("type", trigger.type, trigger_names());
  in.object("envelope", [&](RowReader& inner) { read(inner, trigger.envelope); });
}

void write(RowWriter& out, const Reply& reply) {
  out.flag("raw", reply.is_raw);
  out.bytes("body", reply.body);
  out.text("contentType", reply.content_type);
}

void read(RowReader& in, Reply& reply) {
  in.flag("raw", reply.is_raw);
  in.bytes("body", reply.body);
  in.text("contentType", reply.content_type);
}

void write(RowWriter& out, const TickReport& report) {
  out.number("tick", report.tick);
  out.text("envelopeId", report.envelope_id);
  out.number("duration", report.duration.count());
  out.number("storageBytes", report.storage_bytes);
  out.object("usage", [&] { write(out, report.usage); });
  write_member(out, "reply", report.reply);
  out.number("version", report.version);
  out.flag("replaced", report.replaced);
}

void read(RowReader& in, TickReport& report) {
  in.number("tick", report.tick);
  in.text("envelopeId", report.envelope_id);
  in.duration("duration", report.duration);
  in.number("storageBytes", report.storage_bytes);
  in.object("usage", [&](RowReader& inner) { read(inner, report.usage); });
  read_member(in, "reply", report.reply);
  in.number("version", report.version);
  in.flag("replaced", report.replaced);
}

bool is_secret_header(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kSecret{"Authorization", "Proxy-Authorization",
                                                           "Cookie", "Set-Cookie"};
  return std::any_of(kSecret.begin(), kSecret.end(),
                     [&](std::string_view secret) { return net::same_name(name, secret); });
}

void write(RowWriter& out, const EffectRequest& effect) {
  out.text("key", effect.key);
  out.text("method", effect.method);
  out.text("url", effect.url);
  std::vector<std::pair<std::string, std::string>> headers;
  std::copy_if(effect.headers.begin(), effect.headers.end(), std::back_inserter(headers),
               [](const auto& header) { return !is_secret_header(header.first); });
  out.objects("headers", headers, [&](const auto& header) {
    out.text("name", header.first);
    out.text("value", header.second);
  });
  out.bytes("body", effect.body);
  out.number("maxAge", effect.max_age.count(), EffectRequest{}.max_age.count());
}

void read(RowReader& in, EffectRequest& effect) {
  in.text("key", effect.key);
  in.text("method", effect.method);
  in.text("url", effect.url);
  in.objects("headers", effect.headers, [](RowReader& inner, auto& header) {
    inner.text("name", header.first);
    inner.text("value", header.second);
  });
  in.bytes("body", effect.body);
  in.duration("maxAge", effect.max_age);
}

void write(RowWriter& out, const EffectOutcome& outcome) {
  out.flag("delivered", outcome.delivered);
  out.number("status", outcome.status);
  out.bytes("body", outcome.body);
  if (!outcome.delivered) write_member(out, "error", outcome.error);
}

void read(RowReader& in, EffectOutcome& outcome) {
  in.flag("delivered", outcome.delivered);
  in.number("status", outcome.status);
  in.bytes("body", outcome.body);
  read_member(in, "error", outcome.error);
}

Json to_json(const Error& error) { return piece_json(error); }

Error error_from(const Json& json) {
  Json copy = json;
  if (!copy.is_object()) return corrupt_row("error", "must be a JSON object but is not");
  Error error;
  RowReader in("error", copy);
  read(in, error);
  return in.fault().value_or(error);
}

Json to_json(const Trigger& trigger) { return piece_json(trigger); }

Result<Trigger> trigger_from(const Json& json) {
  Json copy = json;
  if (!copy.is_object()) return corrupt_row("trigger", "must be a JSON object but is not");
  Trigger trigger;
  RowReader in("trigger", copy);
  read(in, trigger);
  return in.finish(std::move(trigger));
}

}  // namespace oa::runtime
