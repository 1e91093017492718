#include "runtime-pod/alarms/window.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstRest = milliseconds(50);
constexpr Duration kLongestRest = seconds(5);
// An agent whose last rest was over for this long is as good as one that never rested.
constexpr Duration kForgetRest = seconds(10);
// Rests end together, so that the rows that were set aside are read again together.
using RestGrid = std::chrono::duration<Duration::rep, std::ratio<1, 20>>;

// Before all rows that are due at `time`: agents are counted from 1.
DueRow before_all(Time time) { return {time, 0, ItemKind{}, {}}; }

Duration rest_after(int refusals) {
  Duration rest = kFirstRest;
  for (int i = 1; i < refusals && rest < kLongestRest; ++i) rest *= 2;
  return std::min(rest, kLongestRest);
}

void lower(std::optional<Time>& earliest, Time time) {
  earliest = earliest ? std::min(*earliest, time) : time;
}

}  // namespace

void Window::add(const DueRow& row) {
  RowId id = id_of(row);
  if (const auto flight = in_flight_.find(id); flight != in_flight_.end()) {
    wait_for_done(flight->second, row.at);
    return;
  }
  know(std::move(id), row.at);
}

// A row in flight may be among them, also at its old time: it is taken once more.
void Window::missed(Time from) {
  for (auto& [id, flight] : in_flight_) {
    if (!flight.waiting) wait_for_done(flight, flight.at);
  }
  move_horizon_back(from);
}

std::optional<std::size_t> Window::wanted() const {
  if (complete_ || known_.size() > limits_.rows / 2) return std::nullopt;
  return std::min(limits_.page, limits_.rows - known_.size());
}

void Window::loaded(const std::vector<DueRow>& page, std::size_t limit) {
  complete_ = page.size() < limit;
  if (!page.empty()) horizon_ = page.back();
  for (const DueRow& row : page) {
    RowId id = id_of(row);
    const auto flight = in_flight_.find(id);
    if (flight == in_flight_.end()) {
      know(std::move(id), row.at);
    } else if (flight->second.at != row.at) {
      // At the same time it is the row that was taken, or there is an `add`.
      wait_for_done(flight->second, row.at);
    }
  }
}

std::vector<DueRow> Window::take(Time now, std::size_t at_most) {
  end_rests(now);
  std::vector<DueRow> taken;
  while (!known_.empty() && known_.begin()->at <= now && taken.size() < at_most && !full()) {
    DueRow row = std::move(known_.extract(known_.begin()).value());
    RowId id = id_of(row);
    times_.erase(id);
    if (set_aside(row)) continue;
    in_flight_.emplace(std::move(id), Flight{row.at, {}});
    taken.push_back(std::move(row));
  }
  return taken;
}

void Window::done(const DueRow& row, bool again, Time now) {
  RowId id = id_of(row);
  const auto found = in_flight_.find(id);
  if (found == in_flight_.end()) std::abort();  // a row is done once
  const Flight flight = found->second;
  in_flight_.erase(found);
  if (flight.waiting) --waiting_;
  if (!again) {
    accepted(row.agent);
    if (flight.waiting) know(std::move(id), *flight.waiting);
    return;
  }
  refused(row.agent, now);
  const Time at = flight.waiting.value_or(flight.at);
  if (at > now) {
    know(std::move(id), at);
  } else {
    lower(rests_.at(row.agent).aside, at);
  }
}

std::optional<Time> Window::wake() const {
  std::optional<Time> time;
  if (!known_.empty() && !full()) time = known_.begin()->at;
  if (!rests_.empty()) lower(time, next_rest_);
  return time;
}

std::optional<Time> Window::next() const {
  std::optional<Time> time;
  if (!known_.empty()) time = known_.begin()->at;
  for (const auto& [agent, rest] : rests_) {
    if (rest.aside) lower(time, *rest.aside);
  }
  return time;
}

// Takes the place of what was known of the row.
void Window::know(RowId id, Time at) {
  forget(id);
  DueRow row{at, id.agent, id.kind, id.key};
  if (!complete_ && (!horizon_ || row > *horizon_)) return;
  times_.emplace(std::move(id), at);
  known_.insert(std::move(row));
  if (known_.size() <= limits_.rows) return;
  const DueRow last = std::move(known_.extract(std::prev(known_.end())).value());
  times_.erase(id_of(last));
  horizon_ = *known_.rbegin();
  complete_ = false;
}

void Window::forget(const RowId& id) {
  const auto time = times_.find(id);
  if (time == times_.end()) return;
  known_.erase({time->second, id.agent, id.kind, id.key});
  times_.erase(time);
}

void Window::wait_for_done(Flight& flight, Time at) {
  if (!flight.waiting) ++waiting_;
  flight.waiting = at;
}

void Window::move_horizon_back(Time to) {
  DueRow horizon = before_all(to);
  if (!complete_ && (!horizon_ || *horizon_ <= horizon)) return;
  while (!known_.empty() && *known_.rbegin() > horizon) {
    const auto last = std::prev(known_.end());
    times_.erase(id_of(*last));
    known_.erase(last);
  }
  horizon_ = std::move(horizon);
  complete_ = false;
}

bool Window::set_aside(const DueRow& row) {
  if (resting_ == 0) return false;
  const auto rest = rests_.find(row.agent);
  if (rest == rests_.end() || rest->second.over) return false;
  lower(rest->second.aside, row.at);
  return true;
}

// A rest that seems to end much later was begun before the clock was set back.
void Window::end_rests(Time now) {
  const Time latest = now + kForgetRest + RestGrid(1);
  if (rests_.empty() || (now < next_rest_ && next_rest_ <= latest)) return;
  std::optional<Time> aside;
  next_rest_ = Time::max();
  for (auto at = rests_.begin(); at != rests_.end();) {
    Rest& rest = at->second;
    const bool ends = rest.until <= now || rest.until > latest;
    if (ends && rest.over) {
      at = rests_.erase(at);
      continue;
    }
    if (ends) {
      rest.over = true;
      --resting_;
      rest.until = now + kForgetRest;
      if (rest.aside) lower(aside, *rest.aside);
      rest.aside.reset();
    }
    next_rest_ = std::min(next_rest_, rest.until);
    ++at;
  }
  if (aside) move_horizon_back(*aside);
}

void Window::refused(AgentKey agent, Time now) {
  if (rests_.empty()) next_rest_ = Time::max();
  const auto [at, is_new] = rests_.try_emplace(agent);
  Rest& rest = at->second;
  if (!is_new && !rest.over) return;
  rest.over = false;
  ++resting_;
  ++rest.refusals;
  rest.until = std::chrono::ceil<RestGrid>(now + rest_after(rest.refusals));
  next_rest_ = std::min(next_rest_, rest.until);
}

void Window::accepted(AgentKey agent) {
  if (rests_.empty()) return;
  const auto at = rests_.find(agent);
  if (at == rests_.end()) return;
  if (at->second.over) {
    rests_.erase(at);
  } else {
    at->second.refusals = 0;
  }
}

}  // namespace oa::runtime
