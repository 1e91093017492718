// From what a handler wants to the rows that are committed, and to what is told about it
// afterwards.
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

// A tick may write so much at most, so that what waits for the disk stays small.
inline constexpr std::size_t kMaxWriteSetBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxNameBytes = 256;  // of alarms, steps, effects' keys, tags
inline constexpr std::size_t kMaxSocketTags = 10;  // of one connection

// As an item's number or, with an empty key, its key: the agent's next ordinal, given out when the
// commit is made.
inline constexpr std::int64_t kNextOrdinal = -1;

// "t-000000000042"
std::string tick_id(std::int64_t tick);

// A handler's reply as it goes out: made before the commit, on a worker, so that answering costs
// the store's writer nothing.
Reply encode_reply(Payload reply);

// What a tick's record in the log says.
struct TickRecord {
  std::int64_t tick = 0;
  int attempt = 1;
  TriggerType trigger = TriggerType::kRequest;
  std::string envelope_id;
  std::string source;
  std::string sender;
  std::string trace_id;        // empty: none
  std::optional<Error> error;  // why it failed; absent: committed
  Duration duration{};
  Usage usage;
  std::size_t written_rows = 0;
  std::size_t written_bytes = 0;
};

// JSON, on one line.
std::string record_text(const TickRecord& record);

// The rules that every key and value keeps, whoever writes it: INVALID_REQUEST otherwise.
Result<void> check_kv_key(std::string_view key);
Result<void> check_kv_value(std::string_view key, std::string_view value);
// `what`: "alarm", ...
Result<void> check_name(std::string_view what, std::string_view name);

// Key, URL and headers: INVALID_REQUEST for a header that holds a secret, which no row keeps.
Result<void> check_effect(const EffectRequest& effect);

ItemWrite kv_item(KvWrite write);
// With `kNextOrdinal` as the generation.
ItemWrite alarm_item(const AlarmRow& row);
ItemWrite inbox_item(const std::string& key, const InboxRow& row, Time due);
// With an empty key. Ready to be sent at once.
ItemWrite outbox_item(const OutboxRow& row);

// Who sends, for rows that leave the agent.
struct WriteSource {
  AgentId agent;
  std::string traceparent;
  Time now;
};
OutboxRow outbox_row(const EffectRequest& effect, const WriteSource& source);
// INVALID_REQUEST if `to` is neither an agent nor a URL. `id` is the envelope's.
Result<OutboxRow> outbox_row(const MessageSend& message, std::string id, const WriteSource& source);

// Those of `from` come after those of `to`.
void append_writes(TickWrites& to, TickWrites from);

using SocketAction = std::variant<SocketSend, SocketClose, SocketUpdate>;

// What an attempt wants to commit.
struct WriteSet {
  std::optional<std::string> state;
  std::vector<ItemWrite> items;
  std::vector<OutboxRow> outbox;  // of the items of kOutbox, in their order
  std::vector<SocketAction> sockets;
  std::optional<JobUpdate> job;
  bool hibernate = false;
  std::size_t bytes = 0;
};

// The state as text, and the last write of each row. LIMIT_EXCEEDED over `kMaxWriteSetBytes`,
// INVALID_REQUEST for what cannot be written. `id_prefix` makes the envelope ids of messages: the
// same in every attempt.
Result<WriteSet> make_write_set(const std::shared_ptr<const Json>& state, TickWrites writes,
                                const WriteSource& source, std::string_view id_prefix);

// Gives out ordinals: to items that ask for one, from `last` + 1 on.
void give_ordinals(std::vector<ItemWrite>& items, std::int64_t& last);

// The use of the day of `now`, with what was used since.
DayUse add_use(const DayUse& before, Time now, const DayUse& more);
// LIMIT_EXCEEDED, reason BudgetExceeded, if the day's budget has no room for a tick more.
Result<void> check_budget(const BudgetConfig& budget, const DayUse& use, Time now);

}  // namespace oa::runtime
