// The WebSockets of all agents: what their clients send becomes triggers, and what agents send to
// them leaves after its commit.
//
// `connect` and `disconnect` are durable. A message is not: a WebSocket acknowledges nothing, so a
// client knows of a message that was processed by its reply. The messages of a connection are
// processed one after the other; while several wait, the client is not read from.
//
// Each open connection has a row with its tags and attachment, due at once. It is taken away with
// the `disconnect`. After a restart it fires without a connection, and the agent is told with code
// 1006. A change of tags or attachment is made here as soon as its tick is committed, and in the
// row right behind; if the process dies between the two, the `disconnect` shows them as they were.
//
// Thread-safety: can be used from any thread; never blocks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/net/websocket.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "runtime-pod/agent/host.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/ids.h"
#include "runtime-pod/sockets/session.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxSocketsPerAgent = 1000;
// What an agent may send to a connection before it stands.
inline constexpr std::size_t kMaxEarlyFrameBytes = 1024 * 1024;

// What the hub works with. The functions are the host's and the reader's of the same names.
struct SocketWorld {
  const Clock& clock;
  Scheduler& scheduler;
  Ids& ids;
  obs::Gauge& open;
  obs::Logger log;
  std::function<void(Delivery, Answered)> deliver;
  std::function<void(Dispatch, std::function<void(Result<void>)>)> dispatch;
  std::function<void(AgentKey, Trigger, std::vector<ItemWrite>, std::function<void(Result<void>)>)>
      tell;
  std::function<void(const AgentId&, std::vector<ItemWrite>,
                     std::function<void(Result<Committed>)>)>
      append;
  std::function<Result<std::optional<Item>>(AgentKey, ItemKind, const std::string&)> get_item;
  Duration patience;  // how long a message is tried
};

class SocketHub {
 public:
  // Outlives everything that it was given to.
  explicit SocketHub(SocketWorld world);
  ~SocketHub();

  using Opened = std::function<void(std::shared_ptr<net::WebSocket>)>;
  // Tells the agent of a client that wants to connect. `accepted`, once that is on disk, with who
  // is to be given the WebSocket; if all copies of it go uncalled, the client has gone.
  void open(const AgentId& id, AgentKey agent, std::string traceparent,
            std::function<void(Result<Opened>)> accepted);

  // What a tick asked for, after its commit.
  void act(AgentKey agent, std::vector<SocketAction> actions);
  // The row of a connection is due.
  void fire(const DueRow& row, std::function<void(bool again)> done);
  // The agent is gone, and so are its connections.
  void removed(AgentKey agent);

 private:
  class Connection;
  using ConnectionPtr = std::shared_ptr<Connection>;
  struct Invitation;

  std::vector<ConnectionPtr> find(AgentKey agent, const std::string& to) const;
  void forget(AgentKey agent, const std::string& id);

  SocketWorld world_;
  mutable std::mutex mutex_;
  std::unordered_map<AgentKey, std::map<std::string, ConnectionPtr>> agents_;  // by mutex_
};

}  // namespace oa::runtime
