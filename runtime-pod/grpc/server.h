// The gRPC face of a runtime: `openagents.runtime.v1.AgentRuntime` in front of the HTTP core, so
// that both say the same (grpc/transcode.h), with the standard health and reflection services.
//
// Nothing of gRPC runs or allocates before `start`.
//
// Thread-safety: `start`, `drain` and the destructor belong to one thread; `port` to any. The
// handler runs on the server's thread and must not block.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/agent.h"
#include "core/result.h"
#include "libs/net/http_server.h"

namespace oa::runtime {

struct GrpcOptions {
  std::string listen;          // host:port, :port or unix:PATH
  std::size_t body_bytes = 0;  // of a body; INVALID_ARGUMENT above
  std::size_t stream_buffer_bytes =
      1024 * 1024;                      // may wait for a slow reader, who is cut off above
  std::optional<AgentId> agent;         // in a pod
  std::function<Result<void>()> ready;  // what the health service says
  // Calls its work once, after so long; for who watches the health.
  std::function<void(std::chrono::milliseconds, std::function<void()>)> later;
};

class GrpcServer {
 public:
  // UNAVAILABLE if the address cannot be listened on.
  static Result<std::unique_ptr<GrpcServer>> start(GrpcOptions options, net::Handler handler);
  virtual ~GrpcServer() = default;

  virtual int port() const = 0;

  // Takes no new call, tells streams to end, waits for what is in flight, and ends the rest at the
  // deadline with UNAVAILABLE. True if all came to their own end.
  virtual bool drain(std::chrono::milliseconds deadline) = 0;
};

}  // namespace oa::runtime
