#include "libs/kube/waiter.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>

namespace oa::kube {

bool RealWaiter::wait(Duration duration, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

Jitter random_jitter() {
  struct Source {
    std::mutex mutex;
    std::minstd_rand engine{std::random_device()()};
  };
  return [source = std::make_shared<Source>()] {
    std::lock_guard lock(source->mutex);
    return std::uniform_real_distribution<double>(0, 1)(source->engine);
  };
}

}  // namespace oa::kube
