#include "runtime-pod/transfer/document.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

// By the numbers of ItemKind, from 1 on.
constexpr std::array<std::string_view, 16> kKindNames = {
    "kv",    "inbox",    "envelope", "sender",     "replay",   "step",   "outbox",       "effect",
    "alarm", "schedule", "job",      "deadLetter", "approval", "socket", "compensation", "frame"};

Error damaged(std::string detail) {
  return make_error(Code::kInvalidRequest, "ArchiveDamaged", "the archive " + std::move(detail));
}

void put(OrderedJson& json, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    json[name] = bytes;
  } else {
    json[name + "Base64"] = crypto::base64_encode(bytes);
  }
}

// Throws the library's exception for what is not there.
std::string bytes_in(const Json& json, const std::string& name) {
  if (const auto coded = json.find(name + "Base64"); coded != json.end()) {
    auto bytes = crypto::base64_decode(coded->get_ref<const std::string&>());
    return bytes ? std::move(*bytes) : json.at(name).get<std::string>();
  }
  return json.at(name).get<std::string>();
}

// Calls `read` with the JSON in `text`, and takes whatever it misses for damage.
template <typename Value, typename Read>
Result<Value> read_json(std::string_view what, std::string_view text, Read read) {
  const auto json = parse_json(text);
  if (!json) return damaged("has a " + std::string(what) + " that is no JSON");
  try {
    return read(*json);
  } catch (const Json::exception& error) {
    return damaged("has a " + std::string(what) + " that cannot be read: " + error.what());
  }
}

template <typename Row>
Result<void> only_error(const Result<Row>& row) {
  return row ? Result<void>() : Result<void>(row.error());
}

Result<void> check_value(const ItemWrite& write) {
  const std::string& value = *write.value;
  switch (write.kind) {
    case ItemKind::kKv: {
      auto good = check_kv_key(write.key);
      return good ? check_kv_value(write.key, value) : good;
    }
    case ItemKind::kInbox:
      return only_error(decode_inbox(value));
    case ItemKind::kEnvelope:
      return only_error(decode_envelope(value));
    case ItemKind::kReplay:
      return only_error(decode_replay(value));
    case ItemKind::kStep:
      return only_error(decode_step(value));
    case ItemKind::kOutbox:
      return only_error(decode_outbox(value));
    case ItemKind::kEffect:
      return only_error(decode_effect(value));
    case ItemKind::kAlarm:
      return only_error(decode_alarm(value));
    case ItemKind::kSchedule:
      return only_error(decode_schedule(value));
    case ItemKind::kJob:
      return only_error(decode_job(value));
    case ItemKind::kDeadLetter:
      return only_error(decode_dead_letter(value));
    case ItemKind::kApproval:
      return only_error(decode_approval(value));
    case ItemKind::kSocket:
      return only_error(decode_socket(value));
    case ItemKind::kCompensation:
      return only_error(decode_effect_request(value));
    case ItemKind::kSender:
    case ItemKind::kFrame:
      return {};
  }
  return {};
}

Json statement(const Anchor& anchor) { return to_json(anchor); }

Result<ArchiveManifest> read_manifest(const Json& json, std::int64_t schema) {
  ArchiveManifest manifest;
  manifest.schema = json.at("schema").get<std::int64_t>();
  const auto version = json.at("version").get<std::int64_t>();
  if (version > kArchiveVersion || manifest.schema > schema) {
    return make_error(Code::kInvalidRequest, "ArchiveTooNew",
                      "the archive is of version " + std::to_string(version) + " and schema " +
                          std::to_string(manifest.schema) + " but must be of at most " +
                          std::to_string(kArchiveVersion) + " and " + std::to_string(schema) +
                          ": a newer runtime can read it");
  }
  const auto exported = parse_time(json.at("exportedAt").get<std::string>());
  if (!exported) return damaged("must say when it was exported");
  manifest.exported = *exported;
  manifest.runtime = json.at("runtime").get<std::string>();
  manifest.epoch = json.at("epoch").get<std::int64_t>();
  const Json& agent = json.at("agent");
  auto id =
      make_agent_id(agent.at("namespace").get<std::string>(), agent.at("name").get<std::string>());
  if (!id) return damaged("must name its agent: " + id.error().detail);
  manifest.row.id = std::move(*id);
  manifest.row.uid = agent.at("uid").get<std::string>();
  if (manifest.row.uid.empty() || manifest.row.uid.size() > 128) {
    return damaged("must give its agent a uid of at most 128 bytes");
  }
  manifest.row.created = Time(Duration(agent.at("createdMicros").get<std::int64_t>()));
  manifest.row.manifest = json.at("manifest").dump();
  const Json& head = json.at("head");
  const auto number = [&head](const char* name) {
    return std::max<std::int64_t>(head.at(name).get<std::int64_t>(), 0);
  };
  manifest.head.version = number("version");
  manifest.head.tick = number("tick");
  manifest.head.ordinal = number("ordinal");
  manifest.head.bytes = number("bytes");
  manifest.head.time = Time(Duration(number("timeMicros")));
  const Json& use = head.at("use");
  manifest.head.use = {use.at("day").get<std::int64_t>(), use.at("ticks").get<std::int64_t>(),
                       use.at("bytes").get<std::int64_t>(),
                       use.at("iterations").get<std::int64_t>()};
  const Json& audit = json.at("audit");
  manifest.public_key = audit.at("publicKey").get<std::string>();
  auto audit_head = parse_anchor(audit.at("head"));
  if (!audit_head)
    return damaged("must have the end of its audit log: " + audit_head.error().detail);
  manifest.audit_head = *audit_head;
  manifest.head.number = audit_head->sequence;
  manifest.head.hash = audit_head->hash;
  if (!audit.contains("anchor")) return manifest;
  auto anchor = parse_anchor(audit.at("anchor"));
  if (!anchor) return damaged("has an anchor that cannot be read: " + anchor.error().detail);
  manifest.anchor = *anchor;
  return manifest;
}

Result<ItemWrite> read_item(const Json& json) {
  ItemWrite write;
  const std::string name = json.at("kind").get<std::string>();
  const auto kind = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (kind == kKindNames.end())
    return damaged("has a row of an unknown kind, " + shorten(name, 32));
  write.kind = static_cast<ItemKind>(kind - kKindNames.begin() + 1);
  write.key = bytes_in(json, "key");
  write.value = bytes_in(json, "value");
  write.number = json.at("number").get<std::int64_t>();
  if (json.contains("contentType") || json.contains("contentTypeBase64")) {
    write.content_type = bytes_in(json, "contentType");
  }
  if (json.contains("due")) {
    const Json& due = json.at("due");
    const bool is_work = due.at("class").get<std::string>() == "Work";
    if (is_work && !can_have_work(write.kind)) {
      return damaged("has work to do at a row of the kind " + name + ", which has none");
    }
    write.due = Due{is_work ? Due::Class::kWork : Due::Class::kExpiry,
                    Time(Duration(due.at("micros").get<std::int64_t>()))};
  }
  if (auto good = check_value(write); !good) {
    return damaged("has a " + name + " row that cannot be read: " + good.error().detail);
  }
  return write;
}

Result<LogRecord> read_record(const Json& json) {
  LogRecord record;
  const std::string kind = json.at("kind").get<std::string>();
  if (kind != "tick" && kind != "event") return damaged("has a record of an unknown kind");
  record.kind = kind == "tick" ? LogKind::kTick : LogKind::kEvent;
  record.tick = json.at("tick").get<std::int64_t>();
  const auto time = parse_time(json.at("time").get<std::string>());
  if (!time) return damaged("has a record without a time");
  record.time = *time;
  record.text = bytes_in(json, "record");
  const auto content = parse_json(record.text);
  const bool fits = content && (kind == "tick" ? content->is_object() : content->is_array());
  if (!fits) return damaged("has a record that cannot be read");
  if (record.kind == LogKind::kEvent) return record;
  record.number = json.at("sequence").get<std::int64_t>();
  const auto hash = crypto::hex_decode(json.at("hash").get<std::string>());
  if (!hash || hash->size() != record.hash.size()) return damaged("has a record without its hash");
  std::copy(hash->begin(), hash->end(), record.hash.begin());
  return record;
}

}  // namespace

OrderedJson to_json(const ArchiveManifest& manifest) {
  const AgentHead& head = manifest.head;
  OrderedJson audit{{"publicKey", manifest.public_key}, {"head", statement(manifest.audit_head)}};
  if (manifest.anchor) audit["anchor"] = statement(*manifest.anchor);
  return {{"version", kArchiveVersion},
          {"exportedAt", format_time_micros(manifest.exported)},
          {"runtime", manifest.runtime},
          {"schema", manifest.schema},
          {"epoch", manifest.epoch},
          {"agent",
           {{"namespace", manifest.row.id.namespace_name},
            {"name", manifest.row.id.name},
            {"uid", manifest.row.uid},
            {"createdMicros", manifest.row.created.time_since_epoch().count()}}},
          {"manifest", OrderedJson::parse(manifest.row.manifest, nullptr, false)},
          {"head",
           {{"version", head.version},
            {"tick", head.tick},
            {"ordinal", head.ordinal},
            {"bytes", head.bytes},
            {"timeMicros", head.time.time_since_epoch().count()},
            {"use",
             {{"day", head.use.day},
              {"ticks", head.use.ticks},
              {"bytes", head.use.bytes},
              {"iterations", head.use.iterations}}}}},
          {"audit", std::move(audit)}};
}

Result<ArchiveManifest> parse_archive_manifest(std::string_view text, std::int64_t schema) {
  return read_json<ArchiveManifest>(
      "manifest", text, [schema](const Json& json) { return read_manifest(json, schema); });
}

std::string item_line(ItemKind kind, const Item& item) {
  OrderedJson json{{"kind", kKindNames.at(static_cast<std::size_t>(kind) - 1)}};
  put(json, "key", item.key);
  json["number"] = item.number;
  if (!item.content_type.empty()) put(json, "contentType", item.content_type);
  if (item.due) {
    json["due"] = {{"class", item.due->what == Due::Class::kWork ? "Work" : "Expiry"},
                   {"micros", item.due->at.time_since_epoch().count()}};
  }
  put(json, "value", item.value);
  return json.dump() + "\n";
}

std::string record_line(const LogRecord& record) {
  const bool is_tick = record.kind == LogKind::kTick;
  OrderedJson json{{"kind", is_tick ? "tick" : "event"}, {"tick", record.tick}};
  if (is_tick) json["sequence"] = record.number;
  json["time"] = format_time_micros(record.time);
  if (is_tick) json["hash"] = crypto::hex_encode(crypto::bytes_of(record.hash));
  put(json, "record", record.text);
  return json.dump() + "\n";
}

Result<ItemWrite> parse_item_line(std::string_view line) {
  return read_json<ItemWrite>("row", line, read_item);
}

Result<LogRecord> parse_record_line(std::string_view line) {
  return read_json<LogRecord>("record", line, read_record);
}

}  // namespace oa::runtime
