// What the verbs work with, whatever the protocol they are called by.
//
// A verb takes a plain request and calls back once, with what became of it. Reading requests and
// formatting answers is the protocols' own (http/, grpc/).
//
// Thread-safety: can be used from any thread; nothing here blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "libs/crypto/ed25519.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/feed.h"
#include "runtime-pod/agent/gates.h"
#include "runtime-pod/agent/host.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/handlers/handler.h"
#include "runtime-pod/ids.h"
#include "runtime-pod/metrics.h"
#include "runtime-pod/storage/reader.h"

namespace oa::runtime {

class SocketHub;  // sockets/hub.h

// Outlives every call.
struct Services {
  const Clock& clock;
  Host& host;
  Reader& reader;
  Scheduler& scheduler;
  InputGate& gate;
  Ids& ids;
  RuntimeMetrics& metrics;
  Watchers& watchers;
  std::function<Handler&(const AgentSpec&)> handler;
  std::function<Result<void>()> live;
  std::function<Result<void>()> ready;
  Duration run_timeout = std::chrono::seconds(60);  // how long a caller waits who does not say
  std::int64_t epoch = 0;
  std::string secrets_dir{};                                       // of read_secret (secrets.h)
  std::shared_ptr<const crypto::Ed25519PrivateKey> signing_key{};  // never null
  SocketHub* sockets = nullptr;                                    // never null
  std::string data_dir{};
  // One export is copied at a time: it may keep a worker, and the write-ahead log, for seconds.
  std::shared_ptr<std::atomic<bool>> exporting = std::make_shared<std::atomic<bool>>(false);
};

// The agent's actor, loaded if need be. NOT_FOUND if there is no such agent, INVALID_REQUEST if
// there can be none of that name.
void find_agent(const Services& services, const AgentId& id, Host::Found found);

}  // namespace oa::runtime
