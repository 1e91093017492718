#include "libs/kube/client.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "libs/kube/api_error.h"
#include "libs/kube/backoff.h"
#include "libs/kube/cpprest_transport.h"

namespace oa::kube {
namespace {

using Json = nlohmann::json;

constexpr BackoffPolicy kRetryBackoff{
    std::chrono::milliseconds(100), std::chrono::seconds(2), 2, 0.2, {}};
constexpr std::size_t kMaxErrorBody = 64 << 10;
constexpr std::size_t kMaxWarnings = 256;

// A token bucket whose takers queue up: each is told how long to wait for its token.
class RateLimit {
 public:
  RateLimit(double qps, int burst, Monotonic now)
      : qps_(qps), burst_(burst), tokens_(burst), filled_(now) {}

  Duration reserve(Monotonic now) {
    std::lock_guard lock(mutex_);
    const double elapsed = std::chrono::duration<double>(now - filled_).count();
    filled_ = now;
    tokens_ = std::min(burst_, tokens_ + elapsed * qps_) - 1;
    if (tokens_ >= 0) return {};
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(-tokens_ / qps_));
  }

 private:
  std::mutex mutex_;
  const double qps_;
  const double burst_;
  double tokens_;
  Monotonic filled_;
};

// The texts of `Warning: 299 - "text"` headers (RFC 7234 section 5.5). Several may stand in one
// line.
std::vector<std::string> warnings(const Headers& headers) {
  std::vector<std::string> texts;
  for (const auto& entry : headers) {
    if (header({entry}, "Warning").empty()) continue;
    std::optional<std::string> text;  // set between quotes
    for (std::size_t i = 0; i < entry.second.size(); ++i) {
      const char c = entry.second[i];
      if (c == '"' && text)
        texts.push_back(*std::exchange(text, std::nullopt));
      else if (c == '"')
        text.emplace();
      else if (text)
        *text += c == '\\' && i + 1 < entry.second.size() ? entry.second[++i] : c;
    }
  }
  return texts;
}

bool connection_failed(const Error& error) {
  return error.reason == reason::kConnectionRefused || error.reason == reason::kConnectionLost;
}

// An item of a list, with what servers leave out of lists.
Object make_item(Json item, const Resource& resource, const Projection& projection) {
  strip_bookkeeping(item);
  item["apiVersion"] = api_version(resource);
  item["kind"] = std::string(resource.kind);
  if (projection) projection(item);
  return Object(std::move(item));
}

Error not_json(std::string_view what) {
  return make_error(
      Code::kUnavailable, "BadAnswer",
      "the API server's answer to " + std::string(what) + " is not what was asked for");
}

Result<Object> as_object(Result<Json> document) {
  if (!document) return document.error();
  if (!document->is_object()) return not_json("a request for an object");
  return Object(std::move(*document));
}

}  // namespace

struct Client::Impl {
  Impl(Parts client_parts, ClientOptions client_options, const Clock& client_clock,
       obs::Metrics& client_metrics, obs::Logger client_log)
      : parts(std::move(client_parts)),
        options(std::move(client_options)),
        clock(client_clock),
        metrics(client_metrics),
        log(std::move(client_log)),
        rate_limit(options.qps, options.burst, clock.monotonic()) {}

  Result<HttpResponse> send(HttpRequest request, const CallOptions& call);
  Result<HttpResponse> attempt(const HttpRequest& request, Duration timeout, std::stop_token stop);
  Result<Credential> authenticate(HttpRequest& request, std::stop_token stop);
  void count(const std::string& method, const std::string& code, Monotonic began);
  void log_warnings(const Headers& headers);

  Parts parts;
  ClientOptions options;
  const Clock& clock;
  obs::Metrics& metrics;
  obs::Logger log;
  RateLimit rate_limit;
  std::mutex warnings_mutex;
  std::set<std::string> warned;  // bounded by kMaxWarnings
};

void Client::Impl::count(const std::string& method, const std::string& code, Monotonic began) {
  metrics
      .counter("rest_client_requests_total", "Requests to the Kubernetes API by status code.",
               {{"code", code}, {"method", method}})
      .add();
  metrics
      .histogram("rest_client_request_duration_seconds",
                 "Time from a request to the Kubernetes API to its whole answer.",
                 {{"method", method}})
      .observe(std::chrono::duration<double>(clock.monotonic() - began).count());
}

void Client::Impl::log_warnings(const Headers& headers) {
  for (std::string& text : warnings(headers)) {
    {
      std::lock_guard lock(warnings_mutex);
      if (warned.size() >= kMaxWarnings) warned.clear();
      if (!warned.insert(text).second) continue;
    }
    log.warn("the API server warns", {{"warning", shorten(text, 1024)}});
  }
}

Result<Credential> Client::Impl::authenticate(HttpRequest& request, std::stop_token stop) {
  Result<Credential> credential = parts.credentials->current(stop);
  if (!credential) return credential;
  std::erase_if(request.headers, [](const auto& h) { return h.first == "Authorization"; });
  if (!credential->authorization.empty()) {
    request.headers.emplace_back("Authorization", credential->authorization);
  }
  request.identity = credential->identity;
  return credential;
}

Result<HttpResponse> Client::Impl::attempt(const HttpRequest& request, Duration timeout,
                                           std::stop_token stop) {
  const Monotonic began = clock.monotonic();
  Result<HttpResponse> response = parts.transport->send(request, timeout, stop);
  count(request.method, response ? std::to_string(response->status) : "<error>", began);
  if (response) {
    log_warnings(response->headers);
  } else {
    Error error = response.error();
    error.detail = request.method + " " + request.path + ": " + error.detail;
    return error;
  }
  return response;
}

Result<HttpResponse> Client::Impl::send(HttpRequest request, const CallOptions& call) {
  const std::stop_token stop = call.stop.stop_possible() ? call.stop : options.stop;
  const Duration timeout = call.timeout > Duration::zero() ? call.timeout : options.timeout;
  const int max_retries = call.max_retries >= 0 ? call.max_retries : options.max_retries;
  request.headers.emplace_back("User-Agent", options.user_agent);
  request.headers.insert(request.headers.end(), options.headers.begin(), options.headers.end());

  Backoff backoff(kRetryBackoff);
  bool rejected = false;
  while (true) {
    const Duration turn =
        call.rate_limited ? rate_limit.reserve(clock.monotonic()) : Duration::zero();
    if (turn > Duration::zero() && !parts.waiter->wait(turn, stop)) return cancelled();
    const Result<Credential> credential = authenticate(request, stop);
    if (!credential) return credential.error();

    Result<HttpResponse> response = attempt(request, timeout, stop);
    Duration wish{};
    if (!response) {
      if (!connection_failed(response.error()) || !request.repeatable) return response;
    } else if (response->status == 401 && !rejected) {
      rejected = true;
      parts.credentials->reject(*credential);
      continue;
    } else if (response->status == 429 || response->status >= 500) {
      if (header(response->headers, "Retry-After").empty()) return response;
      wish = retry_after(response->headers);
    } else {
      return response;
    }
    if (backoff.failures() >= max_retries) return response;
    const Duration delay = std::max(backoff.next(clock.monotonic(), parts.jitter()), wish);
    if (!parts.waiter->wait(delay, stop)) return cancelled();
  }
}

Client::Client(Parts parts, ClientOptions options, const Clock& clock, obs::Metrics& metrics,
               obs::Logger log)
    : impl_(std::make_unique<Impl>(std::move(parts), std::move(options), clock, metrics,
                                   std::move(log))) {}

Client::~Client() = default;

const Clock& Client::clock() const { return impl_->clock; }
Waiter& Client::waiter() const { return *impl_->parts.waiter; }
const Jitter& Client::jitter() const { return impl_->parts.jitter; }

Result<nlohmann::json> Client::call(HttpRequest request, const CallOptions& call) const {
  const std::string method = request.method;
  const std::string path = request.path;
  const Result<HttpResponse> response = impl_->send(std::move(request), call);
  if (!response) return response.error();
  if (response->status >= 400) return decode_error(response->status, response->body, method, path);
  if (response->body.empty()) return Json();
  Json document = Json::parse(response->body, nullptr, false);
  if (response->status >= 300 || document.is_discarded()) return not_json(method + " " + path);
  return document;
}

Result<Object> Client::get(const Resource& resource, const ObjectKey& key,
                           const CallOptions& call_options) const {
  return as_object(call(get_request(resource, key), call_options));
}

Result<ListPage> Client::list(const Resource& resource, const Selection& selection,
                              const ListOptions& options, const Projection& projection,
                              const CallOptions& call_options) const {
  HttpRequest request = list_request(resource, selection, options);
  const std::string path = request.path;
  const Result<HttpResponse> response = impl_->send(std::move(request), call_options);
  if (!response) return response.error();
  if (response->status >= 400) return decode_error(response->status, response->body, "GET", path);

  // Items are taken out as they are parsed, so that the document of a whole page never exists.
  ListPage page;
  bool in_items = false;
  const auto take = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) in_items = parsed == "items";
    if (event != Json::parse_event_t::object_end || depth != 2 || !in_items) return true;
    page.items.push_back(make_item(std::move(parsed), resource, projection));
    return false;
  };
  const Json document = Json::parse(response->body, take, false);
  if (!document.is_object() || !document.contains("metadata") ||
      document.value("kind", "") == "Table") {
    return not_json("GET " + path);
  }
  const Object head{Json{{"metadata", document["metadata"]}}};
  page.resource_version = head.resource_version();
  page.continue_token = head.text("/metadata/continue");
  return page;
}

Result<Object> Client::apply(const Resource& resource, const nlohmann::json& object,
                             const ApplyOptions& options, const CallOptions& call_options) const {
  return as_object(call(apply_request(resource, object, options), call_options));
}

Result<Object> Client::apply_status(const Resource& resource, const nlohmann::json& object,
                                    const ApplyOptions& options,
                                    const CallOptions& call_options) const {
  return as_object(call(apply_request(resource, object, options, "status"), call_options));
}

Result<Object> Client::patch(const Resource& resource, const ObjectKey& key, PatchType type,
                             const nlohmann::json& patch, std::string_view field_manager,
                             std::string_view subresource, const CallOptions& call_options) const {
  return as_object(
      call(patch_request(resource, key, type, patch, field_manager, subresource), call_options));
}

Result<Object> Client::create(const Resource& resource, const nlohmann::json& object,
                              std::string_view field_manager,
                              const CallOptions& call_options) const {
  return as_object(call(create_request(resource, object, field_manager), call_options));
}

Result<Object> Client::replace(const Resource& resource, const nlohmann::json& object,
                               std::string_view field_manager,
                               const CallOptions& call_options) const {
  return as_object(call(replace_request(resource, object, field_manager), call_options));
}

Result<void> Client::remove(const Resource& resource, const ObjectKey& key,
                            const DeleteOptions& options, const CallOptions& call_options) const {
  const Result<Json> answer = call(delete_request(resource, key, options), call_options);
  if (!answer && answer.error().code != Code::kNotFound) return answer.error();
  return {};
}

WatchStart Client::watch(const Resource& resource, const Selection& selection,
                         const WatchOptions& options, Duration idle_limit,
                         std::stop_token stop) const {
  HttpRequest request = watch_request(resource, selection, options);
  request.headers.emplace_back("User-Agent", impl_->options.user_agent);
  request.headers.insert(request.headers.end(), impl_->options.headers.begin(),
                         impl_->options.headers.end());
  for (bool rejected = false;; rejected = true) {
    const Result<Credential> credential = impl_->authenticate(request, stop);
    if (!credential) return {nullptr, credential.error()};
    const Monotonic began = impl_->clock.monotonic();
    Result<std::unique_ptr<Stream>> stream =
        impl_->parts.transport->open(request, idle_limit, stop);
    impl_->count("WATCH", stream ? std::to_string((*stream)->status()) : "<error>", began);
    if (!stream) return {nullptr, stream.error()};
    impl_->log_warnings((*stream)->headers());
    const int status = (*stream)->status();
    if (status == 200) return {std::move(*stream), {}};
    if (status == 401 && !rejected) {
      impl_->parts.credentials->reject(*credential);
      continue;
    }
    std::string body;
    while (body.size() < kMaxErrorBody) {
      const Result<std::string> more = (*stream)->read(impl_->options.timeout);
      if (!more || more->empty()) break;
      body += *more;
    }
    return {nullptr, decode_error(status, body, "WATCH", request.path),
            retry_after((*stream)->headers())};
  }
}

Result<std::unique_ptr<Client>> make_client(const ClusterConfig& config, ClientOptions options,
                                            const Clock& clock, obs::Metrics& metrics,
                                            obs::Logger log) {
  Result<std::unique_ptr<Transport>> transport = make_cpprest_transport(config.cluster);
  if (!transport) return transport.error();
  Result<std::unique_ptr<Credentials>> credentials =
      make_credentials(config.auth, config.cluster, clock, log);
  if (!credentials) return credentials.error();
  if (!config.auth.impersonate_user.empty()) {
    options.headers.emplace_back("Impersonate-User", config.auth.impersonate_user);
  }
  return std::make_unique<Client>(Client::Parts{std::move(*transport), std::move(*credentials),
                                                std::make_unique<RealWaiter>(), random_jitter()},
                                  std::move(options), clock, metrics, std::move(log));
}

}  // namespace oa::kube
