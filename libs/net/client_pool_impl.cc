#include "libs/net/client_pool_impl.h"

#include <algorithm>
#include <utility>

namespace oa::net {

bool ClientPool::ask(const std::string& host, ExchangeId exchange) {
  Host& asked = hosts_[host];
  // Those that are about to get their turn do not wait.
  const std::size_t turns = limits_.per_host - std::min(asked.in_use, limits_.per_host);
  if (asked.waiting.size() >= limits_.waiting_per_host + turns) return false;
  asked.waiting.push_back(exchange);
  return true;
}

void ClientPool::withdraw(const std::string& host, ExchangeId exchange) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return;
  std::erase(found->second.waiting, exchange);
  forget_if_unused(found);
}

void ClientPool::give_back(const std::string& host, std::shared_ptr<Pooled> connection,
                           SteadyTime now) {
  const auto found = hosts_.find(host);
  --found->second.in_use;
  if (connection) {
    kept_.push_back({host, std::move(connection), now + limits_.idle_timeout});
    found->second.kept.push_back(std::prev(kept_.end()));
  } else {
    --open_;
    forget_if_unused(found);
  }
}

std::optional<ClientPool::Turn> ClientPool::next() {
  auto chosen = hosts_.end();
  for (auto host = hosts_.begin(); host != hosts_.end(); ++host) {
    if (!may_have_turn(host->second)) continue;
    if (chosen == hosts_.end() || host->second.waiting.front() < chosen->second.waiting.front()) {
      chosen = host;
    }
  }
  if (chosen == hosts_.end()) return std::nullopt;
  Host& host = chosen->second;
  Turn turn{host.waiting.front(), take_kept(host)};
  host.waiting.pop_front();
  ++host.in_use;  // first, so that the host is not forgotten below
  if (!turn.kept) {
    if (open_ == limits_.total) close_oldest();
    ++open_;
  }
  return turn;
}

bool ClientPool::may_have_turn(const Host& host) const {
  if (host.waiting.empty() || host.in_use >= limits_.per_host) return false;
  return !host.kept.empty() || open_ < limits_.total || !kept_.empty();
}

// The one used last is the likeliest to be alive, and lets the others grow old.
std::shared_ptr<Pooled> ClientPool::take_kept(Host& host) {
  while (!host.kept.empty()) {
    const auto last = host.kept.back();
    host.kept.pop_back();
    std::shared_ptr<Pooled> connection = std::move(last->connection);
    kept_.erase(last);
    if (connection->usable()) return connection;
    --open_;
  }
  return nullptr;
}

void ClientPool::close_oldest() {
  const auto host = hosts_.find(kept_.front().host);
  host->second.kept.erase(host->second.kept.begin());
  kept_.pop_front();
  --open_;
  forget_if_unused(host);
}

std::optional<ClientPool::SteadyTime> ClientPool::close_unused(SteadyTime now) {
  while (!kept_.empty() && kept_.front().until <= now) close_oldest();
  if (kept_.empty()) return std::nullopt;
  return kept_.front().until;
}

void ClientPool::close_all() {
  while (!kept_.empty()) close_oldest();
}

void ClientPool::forget_if_unused(Hosts::iterator host) {
  if (host->second.in_use == 0 && host->second.kept.empty() && host->second.waiting.empty()) {
    hosts_.erase(host);
  }
}

}  // namespace oa::net
