// The client: sends requests with credentials, a rate limit and retries, and turns answers into
// objects and errors.
//
// Errors: api_error.h. 401 is answered by one try with fresh credentials.
//
// Retries, at most 10: 429 and 5xx that carry Retry-After, waiting max(back-off, Retry-After);
// refused and lost connections of requests that are `repeatable` (GET, server-side apply, DELETE
// with a UID).
//
// Thread-safety: can be used from any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/result.h"
#include "libs/kube/credentials.h"
#include "libs/kube/request.h"
#include "libs/kube/transport.h"
#include "libs/kube/waiter.h"
#include "libs/obs/log.h"
#include "libs/obs/metrics.h"

namespace oa::kube {

struct ClientOptions {
  std::string user_agent;
  double qps = 50;  // sustained requests per second; watches do not count
  int burst = 100;
  Duration timeout = std::chrono::seconds(30);  // of one attempt
  int max_retries = 10;
  Headers headers;       // sent with every request, such as Impersonate-User
  std::stop_token stop;  // ends every call that has no token of its own
};

// What is different about one call.
struct CallOptions {
  Duration timeout{};    // of one attempt; zero: the client's
  int max_retries = -1;  // -1: the client's
  std::stop_token stop;  // without a stop state: the client's
  bool rate_limited = true;
};

struct ListPage {
  std::string resource_version;  // of the list, the same on all of its pages
  std::string continue_token;    // empty on the last page
  std::vector<Object> items;     // with apiVersion and kind, which servers leave out of lists
};

// How a watch began: with a stream to read through WatchFrames (watch_frames.h), or with an error.
struct WatchStart {
  std::unique_ptr<Stream> stream;  // null on failure
  Error error;
  Duration retry_after{};  // the server's wish, with an error
};

class Client {
 public:
  struct Parts {
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Credentials> credentials;
    std::unique_ptr<Waiter> waiter;
    Jitter jitter;
  };

  // `clock` and `metrics` must outlive the client.
  Client(Parts parts, ClientOptions options, const Clock& clock, obs::Metrics& metrics,
         obs::Logger log);
  ~Client();

  Result<Object> get(const Resource& resource, const ObjectKey& key,
                     const CallOptions& call = {}) const;
  // One page. `projection` (empty: none) edits each item, without its bookkeeping, as it is parsed.
  Result<ListPage> list(const Resource& resource, const Selection& selection,
                        const ListOptions& options, const Projection& projection = {},
                        const CallOptions& call = {}) const;
  Result<Object> apply(const Resource& resource, const nlohmann::json& object,
                       const ApplyOptions& options, const CallOptions& call = {}) const;
  Result<Object> apply_status(const Resource& resource, const nlohmann::json& object,
                              const ApplyOptions& options, const CallOptions& call = {}) const;
  Result<Object> patch(const Resource& resource, const ObjectKey& key, PatchType type,
                       const nlohmann::json& patch, std::string_view field_manager,
                       std::string_view subresource = {}, const CallOptions& call = {}) const;
  Result<Object> create(const Resource& resource, const nlohmann::json& object,
                        std::string_view field_manager, const CallOptions& call = {}) const;
  Result<Object> replace(const Resource& resource, const nlohmann::json& object,
                         std::string_view field_manager, const CallOptions& call = {}) const;
  // An object that does not exist is a success: it is gone.
  Result<void> remove(const Resource& resource, const ObjectKey& key, const DeleteOptions& options,
                      const CallOptions& call = {}) const;

  // Opens a watch. Not retried and not rate-limited: the watcher decides what a failure means.
  // `idle_limit` covers the wait for the head.
  WatchStart watch(const Resource& resource, const Selection& selection,
                   const WatchOptions& options, Duration idle_limit, std::stop_token stop) const;

  // Any request; the body of a success as JSON (null if empty).
  Result<nlohmann::json> call(HttpRequest request, const CallOptions& call = {}) const;

  const Clock& clock() const;
  Waiter& waiter() const;
  const Jitter& jitter() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A client for `config` with real waiting and cpprestsdk underneath.
Result<std::unique_ptr<Client>> make_client(const ClusterConfig& config, ClientOptions options,
                                            const Clock& clock, obs::Metrics& metrics,
                                            obs::Logger log);

}  // namespace oa::kube
