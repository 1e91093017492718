#include "runtime-pod/handlers/remote.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "core/wire.h"
#include "libs/net/message.h"
#include "libs/net/sse.h"
#include "libs/net/url.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/handlers/protocol.h"

namespace oa::runtime {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxStreamEvents = 100'000;
constexpr std::size_t kTraceparentBytes = 55;  // of version 00

Result<net::Url> url_of(const AgentSpec& spec) {
  if (const auto* container = std::get_if<ContainerHandler>(&spec.handler)) {
    return net::Url{.host = "127.0.0.1", .port = container->port, .target = "/tick"};
  }
  if (const auto* http = std::get_if<HttpHandler>(&spec.handler)) return net::parse_url(http->url);
  return make_error(Code::kInternal, "the agent's handler is part of the runtime");
}

Error unavailable(std::string detail) {
  return make_error(Code::kUnavailable, "HandlerUnavailable", std::move(detail));
}

// What an exchange without an answer means. The reasons of the client are not shown: what they say
// of a request is not so of a tick.
TickOutcome without_answer(const Error& error, const std::string& url) {
  const std::string detail = "the handler at " + url + ": " + error.detail;
  switch (error.code) {
    case Code::kUnavailable:
      return retried_tick(unavailable(detail));
    case Code::kTimeout:
      return retried_tick(make_error(Code::kTimeout, "HandlerTimeout", detail));
    case Code::kLimitExceeded:
      return failed_tick(make_error(Code::kRuntimeError, "AnswerTooLarge", detail));
    default:
      return bad_answer(make_error(Code::kRuntimeError, detail));
  }
}

// One attempt's answer as it comes. Used by the client's thread until it is done.
class Answer {
 public:
  Answer(std::shared_ptr<TickContext> context, const Clock& clock, std::string url)
      : context_(std::move(context)), clock_(clock), url_(std::move(url)) {}

  void take_head(const net::Response& head) {
    is_stream_ = net::media_type(head.headers.get("Content-Type")) == "text/event-stream";
  }

  // False: what follows is not wanted.
  bool take_body(std::string_view bytes) {
    if (!is_stream_) {
      body_ += bytes;
      return true;
    }
    std::vector<net::SseEvent> events;
    const auto fed = parser_.feed(bytes, events);
    for (const net::SseEvent& event : events) {
      if (++events_ > kMaxStreamEvents) {
        failure_ = failed_tick(make_error(
            Code::kRuntimeError, "AnswerTooLarge",
            "a streamed answer must have at most " + std::to_string(kMaxStreamEvents) + " events"));
      } else {
        take_event(event);
      }
      if (failure_ || result_) return false;
    }
    if (!fed) failure_ = bad_answer(fed.error());
    return !failure_;
  }

  TickOutcome outcome(const net::ClientResult& end) {
    if (failure_) return *std::move(failure_);
    if (result_) return read_answer(*result_, clock_.now());
    if (!end.response) return without_answer(end.response.error(), url_);
    const net::ClientResponse& response = *end.response;
    const bool is_good = response.status >= 200 && response.status < 300;
    if (is_good && is_stream_) {
      return retried_tick(
          unavailable("the handler at " + url_ + ": the stream ended without a result"));
    }
    return read_response(response.status, is_good ? body_ : response.body, clock_.now());
  }

 private:
  void take_event(const net::SseEvent& event) {
    if (event.event == "result") {
      result_ = event.data;
      return;
    }
    const bool is_usage = event.event == "usage";
    if (!is_usage && !is_shown(event.event)) return;
    auto data = parse_json(event.data);
    Result<void> taken;
    if (!data) {
      taken = data.error();
    } else if (is_usage) {
      const auto usage = read_usage(*data);
      if (usage) {
        context_->spend(*usage);
      } else {
        taken = usage.error();
      }
    } else {
      taken = show_event(*context_, event.event, *std::move(data));
    }
    if (!taken) failure_ = bad_answer(taken.error());
  }

  const std::shared_ptr<TickContext> context_;
  const Clock& clock_;
  const std::string url_;
  bool is_stream_ = false;
  std::string body_;
  net::SseParser parser_{kMaxAnswerBytes};
  std::size_t events_ = 0;
  std::optional<std::string> result_;
  std::optional<TickOutcome> failure_;
};

net::ClientRequest make_request(const TickInput& input, const net::Url& url,
                                const ContextAccess& access, Monotonic now) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = {{"Content-Type", "application/json"},
                     {"Accept", "application/json, text/event-stream"},
                     {std::string(wire::kHeaderTickId), tick_id(input.tick)},
                     {std::string(wire::kHeaderEpoch), std::to_string(input.epoch)}};
  const std::string& traceparent = input.trigger->envelope.traceparent;
  if (traceparent.size() == kTraceparentBytes && net::trace_id_of(traceparent)) {
    request.headers.add("traceparent", traceparent);
  }
  request.body = tick_document(input, access);
  request.max_body_bytes = kMaxAnswerBytes;
  request.timeout =
      std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(input.deadline - now));
  return request;
}

}  // namespace

net::HttpClient::Options handler_client_options() {
  net::HttpClient::Options options;
  // A tick is not sent twice by itself, so a connection that the handler is about to drop must not
  // be used again. Servers keep idle ones for five seconds and more.
  options.idle_timeout = milliseconds(4000);
  options.max_connections_per_host = 256;
  return options;
}

void RemoteHandler::run(TickInput input, std::function<void(TickOutcome)> done) {
  const auto url = url_of(*input.spec);
  if (!url) return done(failed_tick(url.error()));
  if (!begin_sending()) return done(retried_tick(unavailable("the runtime is stopping")));
  const auto access = context_api_->open(input);
  if (!access) {
    end_sending();
    return done(retried_tick(unavailable(access.error().detail)));
  }
  auto answer = std::make_shared<Answer>(input.context, clock_, net::to_string(*url));
  net::ClientRequest request = make_request(input, *url, *access, clock_.monotonic());
  request.on_head = [answer](const net::Response& head) { answer->take_head(head); };
  request.on_body = [answer](std::string_view bytes) { return answer->take_body(bytes); };
  // Answers may be large: they are read on a worker, so that nobody else's wait for it.
  const net::ClientHandle handle = client_->send(
      std::move(request), [this, answer, done = std::move(done)](net::ClientResult end) {
        scheduler_.post([answer, done, end = std::move(end)] { done(answer->outcome(end)); });
      });
  input.context->on_over([handle] { handle.cancel(); });
  end_sending();
}

void RemoteHandler::close() {
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    none_sends_.wait(lock, [this] { return sending_ == 0; });
  }
  client_.reset();
  context_api_.reset();
}

bool RemoteHandler::begin_sending() {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  ++sending_;
  return true;
}

void RemoteHandler::end_sending() {
  const std::lock_guard lock(mutex_);
  if (--sending_ == 0) none_sends_.notify_all();
}

}  // namespace oa::runtime
