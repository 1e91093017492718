// From what a handler wants to what is committed, and to what is told about it afterwards.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/result.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// A tick may write so much at most, so that what waits for the disk stays small.
inline constexpr std::size_t kMaxWriteSetBytes = 8 * 1024 * 1024;

// "t-000000000042"
std::string tick_id(std::int64_t tick);

// A handler's reply as it goes out: made before the commit, on a worker, so that answering costs
// the store's writer nothing.
struct Reply {
  bool is_raw = false;  // `body` is bytes of `content_type`, else JSON
  std::string body;
  std::string content_type;
};
Reply encode_reply(Payload reply);

// What a tick's record in the log says.
struct TickRecord {
  std::int64_t tick = 0;
  int attempt = 1;
  TriggerType trigger = TriggerType::kRequest;
  std::string envelope_id;
  std::string source;
  std::string trace_id;  // empty: none
  Duration duration{};
};

// JSON, on one line.
std::string record_text(const TickRecord& record);

// The rules that every key and value keeps, whoever writes it: INVALID_REQUEST otherwise.
Result<void> check_kv_key(std::string_view key);
Result<void> check_kv_value(std::string_view key, std::string_view value);

// What `outcome` writes: the state as text, and the last write of each key. LIMIT_EXCEEDED over
// `kMaxWriteSetBytes`.
struct WriteSet {
  std::optional<std::string> state;
  std::vector<KvWrite> kv;
};
Result<WriteSet> make_write_set(TickOutcome& outcome);

}  // namespace oa::runtime
