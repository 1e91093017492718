// Starts servers for tests and keeps the answers that a handler is to give later.
//
// Thread-safety: HeldRequests can be used from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "libs/net/http_server.h"
#include "tests/support/eventually.h"
#include "tests/support/http_client.h"

namespace oa::net {

struct Held {
  Request request;
  Respond respond;
};

// A handler that answers nothing by itself: the test takes the requests one by one and decides.
class HeldRequests {
 public:
  Handler handler() {
    return [this](Request request, Respond respond) {
      std::lock_guard lock(mutex_);
      held_.push_back({std::move(request), std::move(respond)});
      arrived_.notify_one();
    };
  }

  Held take() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, std::chrono::seconds(20), [this] { return !held_.empty(); })) {
      ADD_FAILURE() << "no request came";
      return {{}, [](Response) {}};
    }
    Held held = std::move(held_.front());
    held_.pop_front();
    return held;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Held> held_;
};

// "METHOD target body"
inline void echo(const Request& request, const Respond& respond) {
  respond({200,
           {{"Content-Type", "text/plain"}},
           request.method + " " + request.target + " " + request.body});
}

inline std::unique_ptr<HttpServer> start_server(Handler handler, HttpServer::Options options = {}) {
  Result<std::unique_ptr<HttpServer>> server =
      HttpServer::start(std::move(options), std::move(handler));
  if (!server) {
    ADD_FAILURE() << to_string(server.error());
    std::abort();
  }
  return *std::move(server);
}

}  // namespace oa::net
