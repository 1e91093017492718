// A kube::Client over a script, with a clock that stands still and waits that do not wait.
//
// Thread-safety: the client and what it is made of can be used from any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libs/kube/client.h"
#include "tests/support/recording_waiter.h"
#include "tests/support/scripted_transport.h"

namespace oa::test {

// Hands out token-1, and after each rejection the next.
class CountingCredentials : public kube::Credentials {
 public:
  Result<kube::Credential> current(std::stop_token) override {
    std::lock_guard lock(mutex_);
    return kube::Credential{"Bearer token-" + std::to_string(number_), nullptr};
  }
  void reject(const kube::Credential& used) override {
    std::lock_guard lock(mutex_);
    if (used.authorization == "Bearer token-" + std::to_string(number_)) ++number_;
  }

 private:
  std::mutex mutex_;
  int number_ = 1;
};

struct ScriptedClient {
  explicit ScriptedClient(std::vector<Exchange> script, kube::ClientOptions options = {}) {
    auto scripted = std::make_unique<ScriptedTransport>(std::move(script));
    auto recording = std::make_unique<RecordingWaiter>(clock);
    transport = scripted.get();
    waiter = recording.get();
    if (options.user_agent.empty()) options.user_agent = "test";
    client = std::make_unique<kube::Client>(
        kube::Client::Parts{std::move(scripted), std::make_unique<CountingCredentials>(),
                            std::move(recording), [] { return 0.0; }},
        std::move(options), clock, metrics, log);
  }

  std::vector<std::string> log_lines() {
    std::lock_guard lock(log_mutex);
    return lines;
  }

  ManualClock clock;
  obs::Metrics metrics;
  std::mutex log_mutex;
  std::vector<std::string> lines;
  obs::Logger log{"test",
                  {obs::Level::kDebug, obs::LogFormat::kJson,
                   [this](std::string_view line) {
                     std::lock_guard lock(log_mutex);
                     lines.emplace_back(line);
                   }},
                  clock};
  ScriptedTransport* transport = nullptr;  // of the client
  RecordingWaiter* waiter = nullptr;       // of the client
  std::unique_ptr<kube::Client> client;
};

}  // namespace oa::test
