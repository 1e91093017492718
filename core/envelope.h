// One delivered item, and why a tick runs for it.
//
// Thread-safety: plain values and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"

namespace oa {

// What a caller sent. JSON types are parsed, other valid UTF-8 is text, the rest is bytes.
struct Payload {
  enum class Kind { kJson, kText, kBytes };

  Kind kind = Kind::kText;
  Json json;         // of kJson
  std::string data;  // of kText and kBytes
  std::string content_type;

  // As JSON: the value itself, a string for text. Bytes have no JSON form and give null.
  Json as_json() const;
};

// Sorts a body by its media type and bytes: `application/json` and `*/*+json` must parse
// (INVALID_REQUEST otherwise).
Result<Payload> read_payload(std::string_view content_type, std::string body);

// Every trigger has an envelope, and so an id by which its outcome can be found and repeats be
// told.
struct Envelope {
  std::string id;
  std::string source;  // "http", "alarm", ...: where it came in
  std::string sender;  // who sent it, within the source; order holds per (source, sender)
  std::int64_t seq = 0;
  Time time;
  std::optional<Time> expires_at;
  std::string traceparent;
  Payload payload;
};

enum class TriggerType { kInitialize, kRequest, kMessage, kAlarm, kJob, kEvent, kSocket, kManual };

std::string_view trigger_name(TriggerType type);

// Why a tick runs.
struct Trigger {
  TriggerType type = TriggerType::kRequest;
  Envelope envelope;
};

}  // namespace oa
