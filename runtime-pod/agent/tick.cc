#include "runtime-pod/agent/tick.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "core/json.h"
#include "core/text.h"

namespace oa::runtime {

std::string tick_id(std::int64_t tick) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "t-%012lld", static_cast<long long>(tick));
  return {text, static_cast<std::size_t>(size)};
}

Reply encode_reply(Payload reply) {
  if (reply.kind == Payload::Kind::kBytes) {
    return {
        true, std::move(reply.data),
        reply.content_type.empty() ? "application/octet-stream" : std::move(reply.content_type)};
  }
  return {false, dump(reply.as_json()), "application/json"};
}

std::string record_text(const TickRecord& record) {
  OrderedJson json = {{"tickId", tick_id(record.tick)},
                      {"trigger", trigger_name(record.trigger)},
                      {"envelopeId", record.envelope_id},
                      {"source", record.source},
                      {"attempt", record.attempt},
                      {"outcome", "Committed"},
                      {"durationMs", static_cast<double>(record.duration.count()) / 1000}};
  if (!record.trace_id.empty()) json["traceId"] = record.trace_id;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Result<void> check_kv_key(std::string_view key) {
  if (!key.empty() && key.size() <= kMaxKvKeyBytes && is_utf8(key) &&
      key.find('\0') == std::string_view::npos) {
    return {};
  }
  return invalid_fields(
      {{"key", "\"" + shorten(key, 64) + "\"",
        "be 1 to " + std::to_string(kMaxKvKeyBytes) + " bytes of UTF-8 without a NUL"}});
}

Result<void> check_kv_value(std::string_view key, std::string_view value) {
  if (value.size() <= kMaxKvValueBytes) return {};
  return make_error(Code::kInvalidRequest, "PayloadTooLarge",
                    "the value of key \"" + shorten(key, 64) + "\" must be at most " +
                        std::to_string(kMaxKvValueBytes) + " bytes but has " +
                        std::to_string(value.size()));
}

Result<WriteSet> make_write_set(TickOutcome& outcome) {
  WriteSet set;
  std::size_t bytes = 0;
  if (outcome.state) {
    set.state = dump(*outcome.state);
    bytes += set.state->size();
  }
  std::set<std::string_view> seen;
  for (auto write = outcome.kv.rbegin(); write != outcome.kv.rend(); ++write) {
    if (auto good = check_kv_key(write->key); !good) return good.error();
    if (write->value) {
      if (auto good = check_kv_value(write->key, *write->value); !good) return good.error();
    }
    if (!seen.insert(write->key).second) continue;
    bytes += write->key.size() + (write->value ? write->value->size() : 0);
    set.kv.push_back(*write);
  }
  if (bytes > kMaxWriteSetBytes) {
    return make_error(Code::kLimitExceeded, "StorageLimit",
                      "a tick must write at most " + std::to_string(kMaxWriteSetBytes) +
                          " bytes but wants to write " + std::to_string(bytes));
  }
  std::reverse(set.kv.begin(), set.kv.end());
  return set;
}

}  // namespace oa::runtime
