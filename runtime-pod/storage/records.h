// What the database holds, as plain values.
//
// Nearly everything that an agent has is an `item`: a row found by (agent, kind, key), with a value
// whose meaning belongs to whoever writes that kind, and, where something is to happen to it by
// itself, a time. A commit is a list of such rows to write, with the agent's state and its log.
//
// Thread-safety: plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"

namespace oa::runtime {

// Which agent, by its row. Never given to another agent again, also after a deletion.
using AgentKey = std::int64_t;

inline constexpr std::size_t kMaxKvKeyBytes = 512;
inline constexpr std::size_t kMaxKvValueBytes = 2 * 1024 * 1024;

// The numbers are in the database: none is ever used for something else.
enum class ItemKind : std::int64_t {
  kKv = 1,             // key: the user's
  kInbox = 2,          // key: ordinal; an accepted envelope that waits for its tick
  kEnvelope = 3,       // key: envelope id; what became of it, kept for 24 h: refuses repeats
  kSender = 4,         // key: source and sender; `number` is the highest seq that was taken
  kReplay = 5,         // key: hash of an Idempotency-Key and its scope; the first answer
  kStep = 6,           // key: envelope id, name, occurrence; a journalled result
  kOutbox = 7,         // key: ordinal; an effect that is still to be done
  kEffect = 8,         // key: the effect's; its final state
  kAlarm = 9,          // key: name; `number` is the generation
  kSchedule = 10,      // key: name; the next fire of a declared schedule
  kJob = 11,           // key: job id
  kDeadLetter = 12,    // key: ordinal
  kApproval = 13,      // key: approval id
  kSocket = 14,        // key: connection id; tags and attachment
  kCompensation = 15,  // key: envelope id, ordinal
  kFrame = 16,         // key: session and seq; an unacknowledged frame of a resumable socket
};

// Rows that count against maxStorageBytes, as the state does: what users and ticks write. The
// others are the runtime's own bookkeeping.
constexpr bool counts_as_storage(ItemKind kind) {
  return kind != ItemKind::kEnvelope && kind != ItemKind::kSender && kind != ItemKind::kReplay &&
         kind != ItemKind::kEffect;
}

// Rows that may be due for work. The scan for an agent's next wake goes over these kinds only.
constexpr bool can_have_work(ItemKind kind) {
  return kind == ItemKind::kInbox || kind >= ItemKind::kStep;
}

// When something is to happen to a row by itself.
struct Due {
  enum class Class : std::int64_t {
    kWork = 0,    // somebody has to do something: the agent's next wake is never later (I5)
    kExpiry = 1,  // the row is simply taken away
  };
  Class what = Class::kWork;
  Time at;

  bool operator==(const Due&) const = default;
};

// What must hold for a write. A version of a key is the version of the commit that wrote it, of
// other kinds the `number` that was written.
struct ItemCondition {
  bool must_exist = false;      // NOT_FOUND otherwise
  bool must_be_absent = false;  // CONFLICT otherwise
  bool must_advance = false;    // `number` is above the stored one: CONFLICT, reason Duplicate
  bool any_version = false;     // some value must be there
  std::optional<std::vector<std::int64_t>> versions;  // one of these must be there
  bool or_skip = false;  // if something of the above does not hold, only this write is left out
};

struct ItemWrite {
  ItemKind kind = ItemKind::kKv;
  std::string key;
  std::optional<std::string> value;      // absent: delete
  std::string content_type{};            // of kKv
  std::optional<std::int64_t> number{};  // absent: the version of the commit
  std::optional<Due> due{};
  ItemCondition condition{};
  AgentKey agent = 0;  // 0: the agent of the commit
};

struct Item {
  std::string key;
  std::string value;  // empty where a list was asked for without values
  std::string content_type;
  std::int64_t number = 0;
  std::int64_t bytes = 0;  // of the value
  std::optional<Due> due;
};

struct KvValue {
  std::string value;
  std::string content_type;
  std::int64_t version = 0;
};

struct KvEntry {  // of a list
  std::string key;
  std::string content_type;
  std::int64_t bytes = 0;
  std::int64_t version = 0;
};
struct KvPage {
  std::vector<KvEntry> items;
  std::optional<std::string> next;  // where to go on, if there is more
};

// A row whose time is known.
struct DueRow {
  Time at;
  AgentKey agent = 0;
  ItemKind kind = ItemKind::kAlarm;
  std::string key;

  auto operator<=>(const DueRow&) const = default;
};

// An agent's identity and manifest.
struct AgentRow {
  AgentKey key = 0;
  AgentId id;
  std::string uid;
  Time created;
  std::string manifest;  // JSON
};

// What an agent has used on one UTC day: what spec.config.budget bounds.
struct DayUse {
  std::int64_t day = 0;  // since 1970-01-01
  std::int64_t ticks = 0;
  std::int64_t bytes = 0;  // written by ticks
  std::int64_t iterations = 0;

  bool operator==(const DayUse&) const = default;
};

using Hash = std::array<unsigned char, 32>;

// What the last commit of an agent left behind.
struct AgentHead {
  std::int64_t version = 0;  // how many ticks and writes were committed; each names the one that it
                             // follows (I1)
  std::int64_t tick = 0;     // the highest tick number of a commit
  std::int64_t bytes = 0;    // of the state and of rows that count: what maxStorageBytes bounds
  std::int64_t ordinal = 0;  // the highest that was given to a row: keys of kInbox, kOutbox, ...
  std::int64_t log = 0;      // the newest tick record of the agent's log; 0: none
  std::int64_t event = 0;    // its newest event record; 0: none
  std::int64_t number = 0;   // how many tick records there were
  Hash hash{};               // of the newest tick record: the end of the audit chain
  DayUse use;
  Time time;  // of the last tick or write
};

struct StoredAgent {
  AgentRow row;
  AgentHead head;
  std::optional<std::string> state;  // JSON; absent: no tick has set one
};

enum class LogKind : std::int64_t {
  kTick = 1,   // the audit record of a tick, in the hash chain
  kEvent = 2,  // events for `GET /stream` and `GET /logs`, a JSON array
};

// A record of an agent's log.
struct LogRecord {
  std::int64_t id = 0;  // rises with time over all agents of the database
  LogKind kind = LogKind::kTick;
  std::int64_t tick = 0;
  std::int64_t number = 0;  // of kTick: counted from 1 for each agent
  Time time;
  std::string text;  // JSON
  Hash hash{};       // of kTick
};

// Everything that one step of an agent changes: all of it is committed, or nothing. No row is
// written twice.
//
// With a `version`, the commit is a tick or a write from outside, and may change the state. Without
// one it only adds to what waits or is journalled, changes nothing that a running tick has read,
// and so may be committed at any time.
struct AgentCommit {
  AgentKey agent = 0;
  std::optional<std::int64_t> version;  // the head's + 1, or the store refuses it (I1)
  std::int64_t tick = 0;
  std::int64_t ordinal = 0;  // the highest that this commit or one before it has given out
  Time time;
  std::optional<std::string> state;  // JSON; absent: unchanged
  std::vector<ItemWrite> items;
  std::string record;  // JSON: the tick's; empty: none
  std::string events;  // JSON array; empty: none
  std::optional<DayUse> use;
  // What makes the agent larger than this is refused: LIMIT_EXCEEDED. Absent: nothing is.
  std::optional<std::int64_t> max_storage_bytes;
};

// Creates the agent, or gives an existing one of the same id another uid and manifest.
struct AgentPut {
  AgentRow row;                                // `key` and `created` of an existing agent stay
  std::vector<ItemWrite> items;                // of the agent, e.g. its schedules
  std::optional<RetentionConfig> retention{};  // absent: as before; of a new agent: all is kept
};

// Deletes the agent. Its rows are swept away later, a few at a time.
struct AgentRemove {
  AgentKey key = 0;
};

// The newest tick record of an agent that was trimmed: the audit chain goes on behind it.
struct LogAnchor {
  std::int64_t number = 0;
  Time time;
  Hash hash{};
};

// An agent from an archive, whole and in one commit: CONFLICT, reason AlreadyExists, unless it does
// not exist or nothing has happened to it yet. In the second case its uid, its manifest and its
// schedules stay.
struct AgentRestore {
  AgentRow row;  // `key` is the store's to say
  // Version, tick, ordinal, use and time are taken over; what the rows add up to is counted anew.
  AgentHead head;
  std::optional<std::string> state;  // JSON
  std::vector<ItemWrite> items;      // without conditions, each with its number
  std::optional<LogAnchor> anchor;   // which the records begin behind
  std::vector<LogRecord> records;    // oldest first, with their hashes; ids are the store's to say
  std::string record;                // JSON: one more, which the chain goes on with; empty: none
  RetentionConfig retention;         // of an agent that is made
  std::int64_t max_storage_bytes = 0;
};

// What a commit tells.
struct Committed {
  AgentHead head;         // after it
  AgentRow row;           // of AgentPut and AgentRestore
  bool replaced = false;  // of AgentPut, or of the first item: something was there
};

using Change = std::variant<AgentCommit, AgentPut, AgentRemove, AgentRestore>;

}  // namespace oa::runtime
