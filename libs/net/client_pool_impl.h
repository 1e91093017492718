// Which exchange may use which connection: limits per host and in all, turns in order, and the
// connections that are kept for later.
//
// Thread-safety: none; used on the client's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace oa::net {

// A connection, as far as the pool is concerned. Its destructor closes it.
class Pooled {
 public:
  virtual ~Pooled() = default;
  // While it is kept: whether it can still be used, as far as can be told without sending.
  virtual bool usable() = 0;
};

class ClientPool {
 public:
  using ExchangeId = std::uint64_t;
  using SteadyTime = std::chrono::steady_clock::time_point;

  struct Limits {
    std::size_t per_host = 1;
    std::size_t waiting_per_host = 0;
    std::size_t total = 1;
    std::chrono::milliseconds idle_timeout{0};
  };

  // A turn: the exchange has a place among the connections until it gives it back.
  struct Turn {
    ExchangeId exchange = 0;
    std::shared_ptr<Pooled> kept;  // null: it opens one
  };

  explicit ClientPool(const Limits& limits) : limits_(limits) {}

  // Queues the exchange; false if as many wait for the host as may. "Host" is whatever connections
  // are kept apart by.
  bool ask(const std::string& host, ExchangeId exchange);
  // Takes a waiting exchange out of the queue.
  void withdraw(const std::string& host, ExchangeId exchange);
  // Ends a turn; the connection is null unless it can be used again.
  void give_back(const std::string& host, std::shared_ptr<Pooled> connection, SteadyTime now);

  // Whose turn it is: of all that may go on, the one that has waited longest.
  std::optional<Turn> next();

  // Closes the connections that have been kept for long enough, and says when the next one will
  // have been.
  std::optional<SteadyTime> close_unused(SteadyTime now);
  void close_all();

 private:
  struct Kept {
    std::string host;
    std::shared_ptr<Pooled> connection;
    SteadyTime until;
  };
  using KeptList = std::list<Kept>;
  struct Host {
    std::size_t in_use = 0;
    std::vector<KeptList::iterator> kept;  // the one used last is last
    std::deque<ExchangeId> waiting;        // ids grow: in order of arrival
  };
  using Hosts = std::map<std::string, Host>;

  bool may_have_turn(const Host& host) const;
  std::shared_ptr<Pooled> take_kept(Host& host);
  void close_oldest();
  void forget_if_unused(Hosts::iterator host);

  const Limits limits_;
  Hosts hosts_;           // those with a connection or an exchange that waits
  KeptList kept_;         // the one used last is last
  std::size_t open_ = 0;  // turns and kept connections; never above limits_.total
};

}  // namespace oa::net
