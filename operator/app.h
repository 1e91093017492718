// The operator as a running process: caches, queue, workers, election, health. Everything that
// decides is elsewhere.
//
// Thread-safety: `run_operator` is called once, from main.
#pragma once

#include "core/clock.h"
#include "operator/options.h"

namespace oa::op {

// Runs until SIGTERM or SIGINT (0), until the leadership is lost or something needed at the start
// is missing (1). Call it before any other thread is started: it blocks both signals and waits for
// them.
int run_operator(const Options& options, const Clock& clock);

}  // namespace oa::op
