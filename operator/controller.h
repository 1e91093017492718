// The shell around plan(): takes keys from the queue, observes, plans, executes. All decisions are
// in plan.cc.
//
// Thread-safety: `reconcile` can be called from any thread, but never for one key at the same time
// (the queue sees to that).
#pragma once

#include <memory>

#include "core/clock.h"
#include "libs/kube/client.h"
#include "libs/kube/events.h"
#include "libs/kube/work_queue.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"
#include "operator/observe.h"
#include "operator/plan.h"
#include "operator/platform.h"

namespace oa::op {

class Controller {
 public:
  // Everything must outlive the controller.
  struct Parts {
    const kube::Client& client;
    Stores& stores;
    kube::WorkQueue& queue;
    kube::EventRecorder& events;
    const Clock& clock;
    obs::Metrics& metrics;
    obs::Logger log;
  };
  Controller(Parts parts, Platform platform);

  // Works on keys until the queue shuts down or `stop` is raised.
  void work(std::stop_token stop);

  // One pass for one agent. An error has already been logged and shown in the agent's status where
  // possible; the key is to be tried again.
  Result<std::optional<Duration>> reconcile(const kube::ObjectKey& key);

 private:
  Result<void> execute(const Plan& plan, const kube::Object& agent);
  Result<void> execute_children(const Plan& plan, const kube::Object& agent);
  Result<void> write_status(const Plan& plan, const kube::Object& agent);
  void note(const kube::Object& agent, const Note& note);

  Parts parts_;
  const Platform platform_;
};

}  // namespace oa::op
