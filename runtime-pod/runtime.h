// A running runtime: store, agents and servers put together, and their orderly end.
//
// Thread-safety: `start`, `drain` and the destructor belong to one thread.
#pragma once

#include <functional>
#include <memory>

#include "core/clock.h"
#include "core/result.h"
#include "libs/obs/log.h"
#include "runtime-pod/config.h"
#include "runtime-pod/storage/lock.h"

namespace oa::runtime {

class Runtime {
 public:
  // Opens the store, applies the manifests, and serves. `clock` must outlive the runtime.
  static Result<std::unique_ptr<Runtime>> start(const Config& config, const Clock& clock,
                                                const obs::Logger& log, const Pause& pause);
  ~Runtime();

  // Takes nothing new, finishes what was accepted within the drain timeout, and closes the store.
  void drain();

  // Where HTTP is served; 0 on a Unix socket.
  int port() const;

 private:
  struct Parts;
  explicit Runtime(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// The process's exit code for an error of `start` or `make_config` (wire.md, Process).
int exit_code(const Error& error);

}  // namespace oa::runtime
