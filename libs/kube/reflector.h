// The thread that keeps a Store up to date: it carries out what watcher.h's step() asks for.
//
// Thread-safety: start and stop from one thread; the callback runs on the reflector's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "libs/kube/client.h"
#include "libs/kube/store.h"
#include "libs/kube/watcher.h"

namespace oa::kube {

class Reflector {
 public:
  using Callback = std::function<void(const StoreChange& change)>;

  // `client` and `store` must outlive the reflector. The callback, which may be empty, sees every
  // change after it is in the store.
  Reflector(const Client& client, Resource resource, Selection selection, Store& store,
            Callback callback, obs::Metrics& metrics, obs::Logger log, WatcherOptions options = {});
  ~Reflector();  // stops

  void start();
  void stop();  // at once, whatever it is doing; the callback does not run after this returns

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oa::kube
