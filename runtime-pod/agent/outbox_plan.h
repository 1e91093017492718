// What the outbox does next: which rows are in memory, which of them may be sent now, and when the
// next one may.
//
// A lane is one destination of one agent; its rows are sent one at a time, in order of their keys,
// and a row that waits for its next attempt holds back those behind it. Other lanes go ahead.
//
// Of each agent the first rows are in memory, in order, up to a horizon; what is behind it is on
// disk, and is read when there is room and need. So no row overtakes another one of its lane that
// has not been read yet.
//
//   on disk --loaded, added--> waiting --take--> in flight --finish--> (gone)
//                                 ^                  |
//                                 +----- retry ------+
//
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "runtime-pod/agent/rows.h"

namespace oa::runtime {

struct OutboxLimits {
  std::size_t rows = 10'000;  // in memory
  std::size_t bytes = 64 * 1024 * 1024;
  std::size_t agent_rows = 2'000;  // of one agent
  std::size_t page = 256;          // read at a time
  std::size_t in_flight = 256;
  std::size_t known_agents = 10'000;  // of which it is remembered that they have no rows
};

struct OutboxId {
  AgentKey agent = 0;
  std::string key;

  auto operator<=>(const OutboxId&) const = default;
};

// What is to be read from the disk: one row, or those of an agent behind a key.
struct OutboxRead {
  AgentKey agent = 0;
  std::optional<std::string> key;
  std::string after;
  int limit = 0;
};

class OutboxPlan {
 public:
  using Rows = std::vector<std::pair<std::string, OutboxRow>>;

  explicit OutboxPlan(OutboxLimits limits) : limits_(limits) {}

  // A commit has written this row. It is kept, or read later.
  void added(const OutboxId& id, OutboxRow row);
  // This row is due. False: there is no room for its agent's rows now.
  bool wake(const OutboxId& id);

  // What is to be read now; each is answered by `loaded` or `not_loaded`.
  std::vector<OutboxRead> take_reads();
  // What there was. `next`: there are more behind this key. Rows that were finished since the
  // reading began may be among them.
  void loaded(const OutboxRead& read, Rows rows, std::optional<std::string> next);
  void not_loaded(const OutboxRead& read);

  // Rows that may be sent at `now`: from now on in flight.
  std::vector<OutboxId> take(Monotonic now);
  // It must be there.
  const OutboxRow& row(const OutboxId& id) const;
  bool has(const OutboxId& id) const;
  // Ends what `take` began. `retry`: with what the row says now, not before `at`.
  void finish(const OutboxId& id);
  void retry(const OutboxId& id, OutboxRow row, Monotonic at);
  // The agent is gone, and all of its rows.
  void forget(AgentKey agent);

  // When `take` may give something, if nothing happens before.
  std::optional<Monotonic> wake_time() const;
  std::size_t rows() const { return rows_; }

 private:
  struct Entry {
    OutboxRow row;
    std::size_t bytes = 0;
    bool in_flight = false;
  };
  struct Agent {
    std::map<std::string, Entry> entries;
    // Every row of the agent up to here is in `entries`; nothing: all rows are.
    std::optional<std::string> horizon = std::string();
    int reads = 0;                      // that are under way
    bool reading = false;               // one of them is that of the next page
    bool wanted = true;                 // a page is to be read, although nothing was sent
    std::set<std::string> wanted_rows;  // to be read alone, once no page is
    std::set<std::string> finished;     // while there are reads under way
  };
  using LaneId = std::pair<AgentKey, std::string>;
  struct Lane {
    std::set<std::string> keys;  // never empty
    bool busy = false;           // the first one is in flight
    Monotonic at{};              // it is not sent before
  };
  using Agents = std::map<AgentKey, Agent>;

  bool has_room() const;
  static bool is_within(const Agent& agent, const std::string& key) {
    return !agent.horizon || key <= *agent.horizon;
  }
  void keep(AgentKey key, Agent& agent, const std::string& row_key, OutboxRow row);
  void drop(AgentKey key, Agent& agent, std::map<std::string, Entry>::iterator entry);
  void offer(const LaneId& id, const Lane& lane);
  void withdraw(const LaneId& id, const Lane& lane);
  bool wants_page(const Agent& agent, AgentKey key) const;
  void end_read(Agents::iterator agent);
  void forget_if_idle(Agents::iterator agent);

  const OutboxLimits limits_;
  Agents agents_;
  std::map<LaneId, Lane> lanes_;
  std::set<std::pair<Monotonic, LaneId>> offers_;  // lanes that are not busy, by their `at`
  std::set<AgentKey> look_;                        // agents that may want to be read
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace oa::runtime
