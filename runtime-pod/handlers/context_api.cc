#include "runtime-pod/handlers/context_api.h"

#include <atomic>
#include <charconv>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "libs/crypto/random.h"
#include "libs/net/http_server.h"
#include "runtime-pod/handlers/context_routes.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::string_view kScheme = "Bearer ";

// By token.
class OpenTicks {
 public:
  void add(const std::string& token, std::shared_ptr<OpenTick> tick) {
    const std::lock_guard lock(mutex_);
    ticks_.emplace(token, std::move(tick));
  }
  void remove(const std::string& token) {
    const std::lock_guard lock(mutex_);
    ticks_.erase(token);
  }
  std::shared_ptr<OpenTick> find(const std::string& token) const {
    const std::lock_guard lock(mutex_);
    const auto found = ticks_.find(token);
    return found == ticks_.end() ? nullptr : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<OpenTick>> ticks_;  // by mutex_
};

net::HttpServer::Options server_options(const std::string& listen, const obs::Logger& log) {
  net::HttpServer::Options options;
  options.listen = listen;
  options.logger = log;
  options.limits.body_bytes = kMaxCallBytes;
  options.limits.connections = 256;
  return options;
}

// Where a handler on this machine finds a server that listens so.
std::string url_of(const std::string& listen, int port) {
  std::string host = listen.substr(0, listen.rfind(':'));
  if (host.empty() || host == "0.0.0.0" || host == "[::]") host = "127.0.0.1";
  return "http://" + host + ":" + std::to_string(port) + "/v1";
}

}  // namespace

struct ContextApi::Parts {
  Parts(std::string listen_at, const Clock& api_clock, const obs::Logger& api_log)
      : listen(std::move(listen_at)), clock(api_clock), log(api_log) {}

  const std::string listen;
  const Clock& clock;
  const obs::Logger log;
  const std::shared_ptr<OpenTicks> ticks = std::make_shared<OpenTicks>();
  std::mutex mutex;
  std::unique_ptr<net::HttpServer> server;  // by mutex; null before the first tick
  std::string url;                          // by mutex

  Result<std::string> start();
  void handle(net::Request request, net::Respond respond) const;
};

Result<std::string> ContextApi::Parts::start() {
  const std::lock_guard lock(mutex);
  if (server) return url;
  if (listen.starts_with("unix:")) {
    return make_error(Code::kInvalidRequest,
                      "--context-listen must be host:port, but is " + shorten(listen, 64));
  }
  auto started = net::HttpServer::start(server_options(listen, log),
                                        [this](net::Request request, net::Respond respond) {
                                          handle(std::move(request), std::move(respond));
                                        });
  if (!started) return started.error();
  server = std::move(*started);
  url = url_of(listen, server->port());
  log.info("serving the context API", {{"url", url}});
  return url;
}

void ContextApi::Parts::handle(net::Request request, net::Respond respond) const {
  const std::string_view credentials = request.headers.get("Authorization");
  std::shared_ptr<OpenTick> tick;
  if (credentials.starts_with(kScheme)) {
    tick = ticks->find(std::string(credentials.substr(kScheme.size())));
  }
  if (!tick) {
    return respond(net::problem_response(make_error(
        Code::kUnauthenticated, "the request must carry the bearer token of a tick that runs")));
  }
  serve_context_call(std::move(tick), clock, std::move(request), std::move(respond));
}

ContextApi::ContextApi(std::string listen, const Clock& clock, const obs::Logger& log)
    : parts_(std::make_unique<Parts>(std::move(listen), clock, log)) {}

ContextApi::~ContextApi() = default;

Result<ContextAccess> ContextApi::open(const TickInput& input) {
  auto url = parts_->start();
  if (!url) return url.error();
  ContextAccess access{*std::move(url),
                       crypto::base64url_encode(crypto::random_bytes(kTokenBytes))};
  auto tick = std::make_shared<OpenTick>();
  tick->context = input.context;
  tick->tick = input.tick;
  tick->attempt = input.attempt;
  tick->deadline = input.deadline_time;
  parts_->ticks->add(access.token, std::move(tick));
  // Not an owner: the ticks own their contexts.
  input.context->on_over([weak = std::weak_ptr(parts_->ticks), token = access.token] {
    if (const auto ticks = weak.lock()) ticks->remove(token);
  });
  return access;
}

}  // namespace oa::runtime
