// A Transport that plays a script: a list of expected requests and what each is answered with. A
// request that is not next in the script fails the test.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "libs/kube/api_error.h"
#include "libs/kube/transport.h"

namespace oa::test {

// Answers nothing until the caller gives up.
struct Hang {};

// A part of a stream: bytes, an error that ends it, or silence.
using StreamPart = std::variant<std::string, Error, Hang>;

// An answer of 200 whose body comes in parts, and then ends in good order.
struct Streamed {
  std::vector<StreamPart> parts;
  int status = 200;
  kube::Headers headers;
};

struct Exchange {
  std::string request;  // "GET /api/v1/pods?limit=500"; a final * stands for anything
  std::variant<kube::HttpResponse, Error, Streamed, Hang> answer;
  std::function<void(const kube::HttpRequest&)> check;  // may be empty
};

inline kube::HttpResponse answer(int status, std::string body = "{}", kube::Headers headers = {}) {
  return {status, std::move(headers), std::move(body)};
}

inline void wait_for_stop(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
}

class ScriptedStream : public kube::Stream {
 public:
  ScriptedStream(Streamed script, std::stop_token stop) : script_(std::move(script)), stop_(stop) {}

  int status() const override { return script_.status; }
  const kube::Headers& headers() const override { return script_.headers; }

  Result<std::string> read(Duration) override {
    if (next_ == script_.parts.size()) return std::string();
    const StreamPart& part = script_.parts[next_++];
    if (const auto* bytes = std::get_if<std::string>(&part)) return *bytes;
    if (const auto* error = std::get_if<Error>(&part)) return *error;
    wait_for_stop(stop_);
    return kube::cancelled();
  }

 private:
  const Streamed script_;
  const std::stop_token stop_;
  std::size_t next_ = 0;
};

class ScriptedTransport : public kube::Transport {
 public:
  explicit ScriptedTransport(std::vector<Exchange> script) : script_(std::move(script)) {}
  ~ScriptedTransport() override { EXPECT_EQ(next_, script_.size()) << "requests that never came"; }

  Result<kube::HttpResponse> send(const kube::HttpRequest& request, Duration,
                                  std::stop_token stop) override {
    const Exchange* exchange = take(request);
    if (!exchange) return kube::cancelled();
    if (const auto* error = std::get_if<Error>(&exchange->answer)) return *error;
    if (const auto* response = std::get_if<kube::HttpResponse>(&exchange->answer)) return *response;
    EXPECT_TRUE(std::holds_alternative<Hang>(exchange->answer))
        << "a stream for " << exchange->request;
    wait_for_stop(stop);
    return kube::cancelled();
  }

  Result<std::unique_ptr<kube::Stream>> open(const kube::HttpRequest& request, Duration,
                                             std::stop_token stop) override {
    const Exchange* exchange = take(request);
    if (!exchange) return kube::cancelled();
    if (const auto* error = std::get_if<Error>(&exchange->answer)) return *error;
    if (std::holds_alternative<Hang>(exchange->answer)) {
      wait_for_stop(stop);
      return kube::cancelled();
    }
    Streamed script;
    if (const auto* response = std::get_if<kube::HttpResponse>(&exchange->answer)) {
      script = {{response->body}, response->status, response->headers};
    } else {
      script = std::get<Streamed>(exchange->answer);
    }
    return std::unique_ptr<kube::Stream>(std::make_unique<ScriptedStream>(std::move(script), stop));
  }

  // Waits until so many requests of the script have come; without a number, all of them.
  void wait_played() { wait_played(script_.size()); }
  void wait_played(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(played_.wait_for(lock, std::chrono::seconds(30), [&] { return next_ >= count; }))
        << "request " << next_ << " of the script never came";
  }

 private:
  const Exchange* take(const kube::HttpRequest& request) {
    std::lock_guard lock(mutex_);
    const std::string line = request.method + " " + target(request);
    if (next_ == script_.size()) {
      ADD_FAILURE() << "unexpected request after the script: " << line;
      return nullptr;
    }
    const Exchange& exchange = script_[next_++];
    played_.notify_all();
    if (exchange.request.ends_with('*')) {
      const std::size_t size = exchange.request.size() - 1;
      EXPECT_EQ(line.substr(0, size), exchange.request.substr(0, size));
    } else {
      EXPECT_EQ(line, exchange.request);
    }
    if (exchange.check) exchange.check(request);
    return &exchange;
  }

  std::mutex mutex_;
  std::condition_variable played_;
  const std::vector<Exchange> script_;
  std::size_t next_ = 0;
};

}  // namespace oa::test
