#include <grpc/health/v1/health.pb.h>
#include <openagents/runtime/v1/runtime.pb.h>
#include <optional>
#include <utility>

#include "runtime-pod/grpc/calls_impl.h"

namespace oa::runtime {
namespace {

namespace health = grpc::health::v1;

constexpr std::chrono::milliseconds kLookInterval(1000);

// The server as a whole has no name.
bool is_known(const std::string& service) {
  return service.empty() ||
         service ==
             openagents::runtime::v1::RunRequest::descriptor()->file()->service(0)->full_name();
}

using Status = health::HealthCheckResponse::ServingStatus;

health::HealthCheckResponse answer(Status status) {
  health::HealthCheckResponse response;
  response.set_status(status);
  return response;
}

Status status_of(const HealthSource& source) {
  return source.serving() ? health::HealthCheckResponse::SERVING
                          : health::HealthCheckResponse::NOT_SERVING;
}

// Tells one client of every change: looks each second, while somebody watches. It lives in the
// callbacks of its call.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(ExchangePtr exchange, HealthSource source)
      : exchange_(std::move(exchange)), source_(std::move(source)) {}

  void start(bool known) {
    exchange_->on_draining([self = shared_from_this()] {
      self->exchange_->send(answer(health::HealthCheckResponse::NOT_SERVING));
      self->exchange_->finish({{grpc::StatusCode::UNAVAILABLE, "the runtime is stopping"}});
    });
    if (known) return look();
    exchange_->send(answer(health::HealthCheckResponse::SERVICE_UNKNOWN));
  }

 private:
  void look() {
    const Status status = status_of(source_);
    if (told_ != status && !exchange_->send(answer(status))) return;
    told_ = status;
    source_.later(kLookInterval, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->look();
    });
  }

  const ExchangePtr exchange_;
  const HealthSource source_;
  std::optional<Status> told_;
};

}  // namespace

void check_health(const ExchangePtr& exchange, const HealthSource& source) {
  health::HealthCheckRequest request;
  if (!exchange->read(request)) {
    return exchange->finish({{grpc::StatusCode::INVALID_ARGUMENT, "the message is malformed"}});
  }
  if (!is_known(request.service())) {
    return exchange->finish(
        {{grpc::StatusCode::NOT_FOUND, "no service \"" + request.service() + "\" is served here"}});
  }
  exchange->reply(answer(status_of(source)));
}

void watch_health(const ExchangePtr& exchange, const HealthSource& source) {
  health::HealthCheckRequest request;
  if (!exchange->read(request)) {
    return exchange->finish({{grpc::StatusCode::INVALID_ARGUMENT, "the message is malformed"}});
  }
  std::make_shared<Watch>(exchange, source)->start(is_known(request.service()));
}

}  // namespace oa::runtime
