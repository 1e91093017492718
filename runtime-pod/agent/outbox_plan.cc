#include "runtime-pod/agent/outbox_plan.h"

#include <algorithm>
#include <iterator>

namespace oa::runtime {
namespace {

// An agent whose rows are all sent is read on, however full the memory is: so many rows at least.
constexpr std::size_t kLeastPage = 16;

std::size_t weight(const OutboxRow& row) {
  std::size_t bytes = sizeof(OutboxRow) + row.effect.body.size() + row.payload.size();
  for (const auto& [name, value] : row.effect.headers) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

bool OutboxPlan::has_room() const { return rows_ < limits_.rows && bytes_ < limits_.bytes; }

void OutboxPlan::offer(const LaneId& id, const Lane& lane) {
  if (!lane.busy) offers_.emplace(lane.at, id);
}

void OutboxPlan::withdraw(const LaneId& id, const Lane& lane) { offers_.erase({lane.at, id}); }

void OutboxPlan::keep(AgentKey key, Agent& agent, const std::string& row_key, OutboxRow row) {
  const std::size_t bytes = weight(row);
  const LaneId lane_id{key, row.destination};
  if (!agent.entries.emplace(row_key, Entry{std::move(row), bytes, false}).second) return;
  ++rows_;
  bytes_ += bytes;
  const auto [lane, is_new] = lanes_.try_emplace(lane_id);
  lane->second.keys.insert(row_key);
  if (is_new) offer(lane_id, lane->second);
}

void OutboxPlan::drop(AgentKey key, Agent& agent, std::map<std::string, Entry>::iterator entry) {
  const LaneId lane_id{key, entry->second.row.destination};
  const auto lane = lanes_.find(lane_id);
  withdraw(lane_id, lane->second);
  lane->second.keys.erase(entry->first);
  if (entry->second.in_flight) {
    lane->second.busy = false;
    --in_flight_;
  }
  if (lane->second.keys.empty()) {
    lanes_.erase(lane);
  } else {
    offer(lane_id, lane->second);
  }
  --rows_;
  bytes_ -= entry->second.bytes;
  agent.entries.erase(entry);
}

void OutboxPlan::added(const OutboxId& id, OutboxRow row) {
  auto found = agents_.find(id.agent);
  if (found == agents_.end()) {
    // Without room it stays on disk until it is due again.
    if (has_room()) found = agents_.try_emplace(id.agent).first;
    look_.insert(id.agent);
    return;
  }
  Agent& agent = found->second;
  look_.insert(id.agent);
  if (agent.finished.contains(id.key)) return;
  if (agent.reading) {
    // What is being read may be older than this row.
    agent.wanted_rows.insert(id.key);
    return;
  }
  const bool fits = has_room() && agent.entries.size() < limits_.agent_rows;
  if (!agent.horizon && !fits) {
    if (agent.entries.empty() && agent.reads == 0) {
      agents_.erase(found);
      return;
    }
    // What comes from now on stays on disk; what is here already is all that is before it.
    agent.horizon = agent.entries.empty() ? std::string() : agent.entries.rbegin()->first;
  }
  if (is_within(agent, id.key)) keep(id.agent, agent, id.key, std::move(row));
}

bool OutboxPlan::wake(const OutboxId& id) {
  const auto found = agents_.find(id.agent);
  if (found == agents_.end()) {
    if (!has_room()) return false;
    agents_.try_emplace(id.agent);
    look_.insert(id.agent);
    return true;
  }
  Agent& agent = found->second;
  if (agent.entries.contains(id.key) || agent.finished.contains(id.key)) return true;
  if (agent.reading || is_within(agent, id.key)) agent.wanted_rows.insert(id.key);
  look_.insert(id.agent);
  return true;
}

bool OutboxPlan::wants_page(const Agent& agent, AgentKey key) const {
  if (!agent.horizon || agent.reading) return false;
  if (agent.wanted || agent.entries.empty()) return true;
  if (!has_room() || agent.entries.size() >= limits_.agent_rows) return false;
  if (agent.entries.size() < limits_.page / 2) return true;
  // Full of rows that wait for the same few destinations: others may be behind them.
  for (auto lane = lanes_.lower_bound({key, std::string()});
       lane != lanes_.end() && lane->first.first == key; ++lane) {
    if (lane->second.at == Monotonic{}) return false;
  }
  return true;
}

std::vector<OutboxRead> OutboxPlan::take_reads() {
  std::vector<OutboxRead> reads;
  for (const AgentKey key : std::exchange(look_, {})) {
    const auto found = agents_.find(key);
    if (found == agents_.end()) continue;
    Agent& agent = found->second;
    if (agent.reading) continue;
    for (const std::string& row : std::exchange(agent.wanted_rows, {})) {
      if (!is_within(agent, row) || agent.entries.contains(row)) continue;
      reads.push_back({key, row, {}, 1});
      ++agent.reads;
    }
    if (!wants_page(agent, key)) continue;
    const std::size_t room = limits_.rows - std::min(limits_.rows, rows_);
    const std::size_t limit = std::min(limits_.page, std::max(room, kLeastPage));
    reads.push_back({key, std::nullopt, *agent.horizon, static_cast<int>(limit)});
    ++agent.reads;
    agent.reading = true;
    agent.wanted = false;
  }
  return reads;
}

void OutboxPlan::end_read(Agents::iterator agent) {
  if (--agent->second.reads == 0) agent->second.finished.clear();
  look_.insert(agent->first);
  forget_if_idle(agent);
}

void OutboxPlan::forget_if_idle(Agents::iterator found) {
  const Agent& agent = found->second;
  if (agents_.size() > limits_.known_agents && !agent.horizon && agent.entries.empty() &&
      agent.reads == 0 && agent.wanted_rows.empty()) {
    agents_.erase(found);
  }
}

void OutboxPlan::loaded(const OutboxRead& read, Rows rows, std::optional<std::string> next) {
  const auto found = agents_.find(read.agent);
  if (found == agents_.end()) return;
  Agent& agent = found->second;
  if (!read.key) {
    agent.reading = false;
    agent.horizon = std::move(next);
  }
  for (auto& [key, row] : rows) {
    if (is_within(agent, key) && !agent.finished.contains(key)) {
      keep(read.agent, agent, key, std::move(row));
    }
  }
  end_read(found);
}

void OutboxPlan::not_loaded(const OutboxRead& read) {
  const auto found = agents_.find(read.agent);
  if (found == agents_.end()) return;
  Agent& agent = found->second;
  if (read.key) {
    agent.wanted_rows.insert(*read.key);
  } else {
    agent.reading = false;
    agent.wanted = true;
  }
  end_read(found);
}

std::vector<OutboxId> OutboxPlan::take(Monotonic now) {
  std::vector<OutboxId> taken;
  while (!offers_.empty() && offers_.begin()->first <= now && in_flight_ < limits_.in_flight) {
    const LaneId id = offers_.begin()->second;
    offers_.erase(offers_.begin());
    Lane& lane = lanes_.at(id);
    lane.busy = true;
    const std::string& key = *lane.keys.begin();
    agents_.at(id.first).entries.at(key).in_flight = true;
    ++in_flight_;
    taken.push_back({id.first, key});
  }
  return taken;
}

bool OutboxPlan::has(const OutboxId& id) const {
  const auto agent = agents_.find(id.agent);
  return agent != agents_.end() && agent->second.entries.contains(id.key);
}

const OutboxRow& OutboxPlan::row(const OutboxId& id) const {
  return agents_.at(id.agent).entries.at(id.key).row;
}

void OutboxPlan::finish(const OutboxId& id) {
  if (!has(id)) return;
  const auto found = agents_.find(id.agent);
  Agent& agent = found->second;
  lanes_.at({id.agent, row(id).destination}).at = Monotonic{};
  drop(id.agent, agent, agent.entries.find(id.key));
  if (agent.reads > 0) agent.finished.insert(id.key);
  look_.insert(id.agent);
  forget_if_idle(found);
}

void OutboxPlan::retry(const OutboxId& id, OutboxRow row, Monotonic at) {
  if (!has(id)) return;
  Entry& entry = agents_.at(id.agent).entries.at(id.key);
  const LaneId lane_id{id.agent, entry.row.destination};
  entry.row = std::move(row);
  entry.in_flight = false;
  --in_flight_;
  Lane& lane = lanes_.at(lane_id);
  lane.busy = false;
  lane.at = at;
  offer(lane_id, lane);
  look_.insert(id.agent);
}

void OutboxPlan::forget(AgentKey key) {
  const auto found = agents_.find(key);
  if (found == agents_.end()) return;
  while (!found->second.entries.empty()) {
    drop(key, found->second, found->second.entries.begin());
  }
  agents_.erase(found);
}

std::optional<Monotonic> OutboxPlan::wake_time() const {
  if (offers_.empty() || in_flight_ >= limits_.in_flight) return std::nullopt;
  return offers_.begin()->first;
}

}  // namespace oa::runtime
