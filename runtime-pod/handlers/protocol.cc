#include "runtime-pod/handlers/protocol.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "libs/net/message.h"
#include "libs/net/url.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/handlers/json_node.h"

namespace oa::runtime {
namespace {

// The text of a problem that a handler answered with: its detail, its title, or the body itself.
std::string words_of(std::string_view body) {
  if (const auto parsed = parse_json(body); parsed && parsed->is_object()) {
    for (const char* name : {"detail", "title", "message", "error"}) {
      const auto found = parsed->find(name);
      if (found != parsed->end() && found->is_string()) {
        return shorten(found->get_ref<const std::string&>(), 1024);
      }
    }
  }
  return is_utf8(body) ? shorten(body, 1024) : std::string();
}

Error must(std::string what) { return make_error(Code::kInvalidRequest, "must " + what); }

// Nothing that could add a line to the head of a message.
bool is_header_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

Result<void> check_content_type(std::string_view type) {
  if (!type.empty() && type.size() <= 256 && is_header_text(type)) return {};
  return must("be 1 to 256 bytes without control characters");
}

Result<void> check_method(std::string_view method) {
  if (is_token(method) && method.size() <= 32 && method != "CONNECT") return {};
  return must("be an HTTP method other than CONNECT");
}

Result<void> check_header(std::string_view name, std::string_view value) {
  if (is_token(name) && is_header_text(value)) return {};
  return must("be a header's name, and a value without control characters");
}

Result<void> check_effect_url(const std::string& text) {
  auto url = net::parse_url(text);
  if (!url) return url.error();
  return {};
}

Result<void> check_destination(const MessageSend& message) {
  auto row = outbox_row({message.to, nullptr}, {}, {.agent = {"default", "sender"}});
  if (!row) return row.error();
  return {};
}

Json envelope_json(const Envelope& envelope) {
  Json json = {{"id", envelope.id},
               {"source", envelope.source},
               {"time", format_time_millis(envelope.time)}};
  if (!envelope.sender.empty()) json["sender"] = envelope.sender;
  if (envelope.seq > 0) json["seq"] = envelope.seq;
  if (envelope.expires_at) json["expiresAt"] = format_time_millis(*envelope.expires_at);
  const Payload& payload = envelope.payload;
  if (!payload.content_type.empty()) json["contentType"] = payload.content_type;
  if (payload.kind == Payload::Kind::kBytes) {
    json["payloadBase64"] = crypto::base64_encode(payload.data);
  } else {
    json["payload"] = payload.as_json();
  }
  return json;
}

KvWrite read_kv(const JsonNode& node) {
  KvWrite write;
  const bool puts = node.has("put");
  if (puts == node.has("delete")) {
    node.fail("have one of put and delete");
    return write;
  }
  write.key = node.text(puts ? "put" : "delete");
  node.check(check_kv_key(write.key), puts ? "put" : "delete");
  if (!puts) return write;
  if (const Json* value = node.raw("value")) {
    write.value = dump(*value);
    write.content_type = node.text("contentType", "application/json");
  } else if (node.has("text")) {
    write.value = node.text("text");
    write.content_type = node.text("contentType", "text/plain; charset=utf-8");
  } else if (node.has("base64")) {
    write.value = node.bytes("base64");
    write.content_type = node.text("contentType", "application/octet-stream");
  } else {
    node.fail("have one of value, text and base64");
    return write;
  }
  node.check(check_content_type(write.content_type), "contentType");
  node.check(check_kv_value(write.key, *write.value), "value");
  return write;
}

AlarmSet alarm_of(const JsonNode& node, Time now) {
  AlarmSet alarm;
  alarm.name = node.text("name", "");
  if (node.has("name")) node.check(check_name("name", alarm.name), "name");
  if (node.has("at") == node.has("in")) {
    node.fail("have one of at and in");
  } else if (node.has("at")) {
    alarm.at = node.time("at");
  } else {
    alarm.at = now + node.duration("in", Duration{0});
  }
  alarm.payload = node.any("payload");
  return alarm;
}

std::variant<AlarmSet, AlarmCancel> alarm_change(const JsonNode& node, Time now) {
  if (node.has("set") == node.has("cancel")) {
    node.fail("have one of set and cancel");
    return AlarmCancel{};
  }
  if (const auto set = node.object("set")) return alarm_of(*set, now);
  AlarmCancel cancel{node.text("cancel", "")};
  if (node.has("cancel")) node.check(check_name("cancel", cancel.name), "cancel");
  return cancel;
}

MessageSend message_of(const JsonNode& node) {
  MessageSend message{node.text("to"), node.any("payload")};
  node.check(check_destination(message), "to");
  return message;
}

void read_body(const JsonNode& http, EffectRequest& effect) {
  const bool has_type =
      std::any_of(effect.headers.begin(), effect.headers.end(),
                  [](const auto& header) { return net::same_name(header.first, "Content-Type"); });
  if (http.has("bodyBase64")) {
    effect.body = http.bytes("bodyBase64");
    return;
  }
  const Json* body = http.raw("body");
  if (body == nullptr || body->is_null()) return;
  const bool is_text = body->is_string();
  effect.body = is_text ? body->get<std::string>() : dump(*body);
  if (has_type) return;
  effect.headers.emplace_back("Content-Type",
                              is_text ? "text/plain; charset=utf-8" : "application/json");
}

EffectRequest effect_of(const JsonNode& node) {
  EffectRequest effect;
  effect.key = node.text("key");
  node.check(check_name("key", effect.key), "key");
  effect.max_age = node.duration("maxAge", effect.max_age);
  const auto http = node.object("http");
  if (!http) {
    if (!node.has("http")) node.fail("be set", "http");
    return effect;
  }
  effect.method = http->text("method", "POST");
  http->check(check_method(effect.method), "method");
  effect.url = http->text("url");
  http->check(check_effect_url(effect.url), "url");
  if (const auto headers = http->object("headers")) {
    for (const std::string& name : headers->names()) {
      std::string value = headers->text(name);
      headers->check(check_header(name, value), name);
      effect.headers.emplace_back(name, std::move(value));
    }
  }
  read_body(*http, effect);
  return effect;
}

SocketSend frame_of(const JsonNode& node) {
  SocketSend frame{.to = node.text("send"), .data = {}};
  node.check(check_name("send", frame.to), "send");
  if (node.has("text") == node.has("base64")) {
    node.fail("have one of text and base64");
    return frame;
  }
  frame.binary = node.has("base64");
  frame.data = frame.binary ? node.bytes("base64") : node.text("text");
  return frame;
}

SocketClose close_of(const JsonNode& node) {
  SocketClose close{.connection = node.text("close")};
  const std::int64_t code = node.number("code", 1000);
  // RFC 6455 section 7.4: what an application may close with.
  if (code != 1000 && (code < 3000 || code > 4999)) node.fail("be 1000, or 3000 to 4999", "code");
  close.code = static_cast<int>(code);
  close.reason = node.text("reason", "");
  if (close.reason.size() > 123) node.fail("be at most 123 bytes long", "reason");
  return close;
}

SocketUpdate update_of(const JsonNode& node) {
  SocketUpdate update{.connection = node.text("update")};
  if (node.has("tags")) {
    update.tags.emplace();
    node.each("tags", kMaxAnswerItems, [&update](const JsonNode& tag) {
      update.tags->push_back(tag.own_text());
      tag.check(check_name("tag", update.tags->back()));
    });
  }
  if (const Json* attachment = node.raw("attachment")) {
    if (dump(*attachment).size() > kMaxAttachmentBytes) {
      node.fail("take at most " + std::to_string(kMaxAttachmentBytes) + " bytes as JSON",
                "attachment");
    }
    update.attachment = *attachment;
  }
  return update;
}

std::variant<SocketSend, SocketClose, SocketUpdate> socket_change(const JsonNode& node) {
  if (node.has("send")) return frame_of(node);
  if (node.has("close")) return close_of(node);
  if (node.has("update")) return update_of(node);
  node.fail("have one of send, close and update");
  return SocketClose{};
}

Payload reply_of(const JsonNode& root) {
  if (root.has("replyBase64")) {
    return {.kind = Payload::Kind::kBytes,
            .data = root.bytes("replyBase64"),
            .content_type = root.text("replyContentType", "application/octet-stream")};
  }
  return {
      .kind = Payload::Kind::kJson, .json = root.any("reply"), .content_type = "application/json"};
}

void read_writes(const JsonNode& root, TickWrites& writes, Time now) {
  root.each("kv", kMaxAnswerItems,
            [&](const JsonNode& item) { writes.kv.push_back(read_kv(item)); });
  root.each("alarms", kMaxAnswerItems,
            [&](const JsonNode& item) { writes.alarms.push_back(alarm_change(item, now)); });
  root.each("send", kMaxAnswerItems,
            [&](const JsonNode& item) { writes.sends.push_back(message_of(item)); });
  root.each("effects", kMaxAnswerItems,
            [&](const JsonNode& item) { writes.effects.push_back(effect_of(item)); });
  root.each("sockets", kMaxAnswerItems,
            [&](const JsonNode& item) { writes.sockets.push_back(socket_change(item)); });
  if (const auto job = root.object("job")) {
    writes.job = JobUpdate{job->any("progress"), job->flag("continue", false)};
  }
  writes.hibernate = root.flag("hibernate", false);
}

// Reads one part of the protocol that stands alone.
template <typename Read>
auto read_alone(const Json& value, Read read) -> Result<decltype(read(std::declval<JsonNode>()))> {
  std::vector<FieldError> errors;
  const JsonNode node(value, "", errors);
  if (!value.is_object()) {
    return make_error(Code::kInvalidRequest, "the body must be a JSON object");
  }
  auto part = read(node);
  if (!errors.empty()) return invalid_fields(std::move(errors));
  return part;
}

}  // namespace

std::string tick_document(const TickInput& input, const ContextAccess& access) {
  const Json document = {
      {"version", "v1"},
      {"agent",
       {{"namespace", input.agent.namespace_name}, {"name", input.agent.name}, {"uid", input.uid}}},
      {"tickId", tick_id(input.tick)},
      {"attempt", input.attempt},
      {"epoch", input.epoch},
      {"deadline", format_time_millis(input.deadline_time)},
      {"trigger",
       {{"type", trigger_name(input.trigger->type)},
        {"envelope", envelope_json(input.trigger->envelope)}}},
      {"context", {{"url", access.url}, {"token", access.token}}}};
  // The state may be large: it is written straight from where it is.
  std::string text = dump(document);
  text.back() = ',';
  text += "\"state\":";
  text += input.state ? dump(*input.state) : "null";
  text += '}';
  return text;
}

TickOutcome bad_answer(const Error& why) {
  Error error = make_error(Code::kRuntimeError, "BadAnswer",
                           "the handler's answer breaks the protocol: " + why.detail);
  error.fields = why.fields;
  return failed_tick(std::move(error));
}

TickOutcome read_response(int status, std::string_view body, Time now) {
  if (status >= 200 && status < 300) return read_answer(body, now);
  const std::string words = words_of(body);
  const std::string said = "the handler answered " + std::to_string(status) +
                           (words.empty() ? std::string() : ": " + words);
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    return retried_tick(make_error(Code::kUnavailable, "HandlerUnavailable", said));
  }
  if (status >= 400) return failed_tick(make_error(Code::kRuntimeError, "HandlerRefused", said));
  return bad_answer(make_error(Code::kRuntimeError, said + "; redirects are not followed"));
}

TickOutcome read_answer(std::string_view text, Time now) {
  TickOutcome outcome;
  // Nothing, as 204 has it, is an answer that changes nothing.
  Json answer = Json::object();
  if (!text.empty()) {
    if (text.size() > kMaxAnswerBytes) {
      return bad_answer(make_error(Code::kRuntimeError, "it must be at most 16 MiB"));
    }
    auto parsed = parse_json(text);
    if (!parsed) return bad_answer(parsed.error());
    answer = std::move(*parsed);
  }
  if (!answer.is_object()) {
    return bad_answer(make_error(Code::kRuntimeError, "it must be a JSON object"));
  }
  std::vector<FieldError> errors;
  const JsonNode root(answer, "", errors);
  read_writes(root, outcome.writes, now);
  outcome.reply = reply_of(root);
  if (!errors.empty()) return bad_answer(invalid_fields(std::move(errors)));
  if (const auto state = answer.find("state"); state != answer.end() && !state->is_null()) {
    outcome.state = std::make_shared<const Json>(std::move(*state));
  }
  return outcome;
}

Result<AlarmSet> read_alarm(const Json& value, Time now) {
  return read_alone(value, [now](const JsonNode& node) { return alarm_of(node, now); });
}

Result<MessageSend> read_send(const Json& value) { return read_alone(value, message_of); }

Result<EffectRequest> read_effect(const Json& value) { return read_alone(value, effect_of); }

Result<ApprovalRequest> read_approval(const Json& value) {
  return read_alone(value, [](const JsonNode& node) {
    ApprovalRequest request{.name = node.text("name"), .question = node.any("question")};
    node.check(check_name("name", request.name), "name");
    request.expires_in = node.duration("expiresIn", request.expires_in);
    return request;
  });
}

Result<Usage> read_usage(const Json& value) {
  return read_alone(value, [](const JsonNode& node) {
    const auto count = [&node](const char* name) {
      constexpr std::int64_t kMost = 1'000'000'000;
      const std::int64_t number = node.number(name, 0);
      if (number < 0 || number > kMost) node.fail("be between 0 and 1000000000", name);
      return number;
    };
    return Usage{.tokens_in = count("tokensIn"),
                 .tokens_out = count("tokensOut"),
                 .iterations = count("iterations")};
  });
}

Result<Duration> read_heartbeat(const Json& value) {
  return read_alone(value, [](const JsonNode& node) {
    if (!node.has("next")) node.fail("be set", "next");
    return node.duration("next", Duration{0});
  });
}

bool is_shown(std::string_view event) {
  return event == "delta" || event == "log" || event == "progress" || event == "tool_call" ||
         event == "tool_result";
}

Result<void> show_event(TickContext& context, std::string_view event, Json data) {
  const bool is_object = event != "delta" && event != "log";
  if (!is_shown(event)) {
    return invalid_fields({{"event", "\"" + shorten(event, 64) + "\"",
                            "be delta, log, progress, tool_call or tool_result"}});
  }
  auto text = read_alone(data, [&](const JsonNode& node) {
    if (dump(data).size() > kMaxShownBytes) {
      node.fail("take at most " + std::to_string(kMaxShownBytes) + " bytes as JSON");
    }
    return is_object ? std::string() : node.text("text");
  });
  if (!text) return text.error();
  if (event == "log") {
    auto level = read_alone(data, [](const JsonNode& node) {
      std::string name = node.text("level", "info");
      if (name != "debug" && name != "info" && name != "warn" && name != "error") {
        node.fail("be debug, info, warn or error", "level");
      }
      return name;
    });
    if (!level) return level.error();
    context.log(*level, std::move(*text));
  } else {
    context.emit(event, is_object ? std::move(data) : Json{{"text", std::move(*text)}});
  }
  return {};
}

}  // namespace oa::runtime
