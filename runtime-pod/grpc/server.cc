#include "runtime-pod/grpc/server.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <grpc/health/v1/health.pb.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <limits>
#include <openagents/runtime/v1/runtime.pb.h>
#include <set>
#include <thread>
#include <utility>

#include "runtime-pod/grpc/calls_impl.h"

namespace oa::runtime {
namespace {

// What a message may have beside its body.
constexpr std::size_t kMessageBytes = 64 * 1024;
// From the cut at the drain's deadline to the end of all connections.
constexpr std::chrono::milliseconds kLastWords(1000);

const google::protobuf::ServiceDescriptor& runtime_service() {
  return *openagents::runtime::v1::RunRequest::descriptor()->file()->service(0);
}

const google::protobuf::ServiceDescriptor& health_service() {
  return *grpc::health::v1::HealthCheckRequest::descriptor()->file()->service(0);
}

// ":9090" is all addresses.
std::string address_of(const std::string& listen) {
  return listen.starts_with(':') ? "[::]" + listen : listen;
}

class Server final : public GrpcServer {
 public:
  Server(GrpcOptions options, net::Handler handler)
      : options_(std::move(options)), handler_(std::move(handler)) {}
  ~Server() override;

  bool start();
  int port() const override { return port_; }
  bool drain(std::chrono::milliseconds deadline) override;

 private:
  void configure(grpc::ServerBuilder& builder);
  void make_methods();
  void run();
  void began(const ExchangePtr& exchange);
  void over(Exchange* exchange);
  std::vector<ExchangePtr> live();

  const GrpcOptions options_;
  const net::Handler handler_;
  RawService verbs_{runtime_service()};
  RawService health_{health_service()};
  std::vector<Method> methods_;
  int port_ = 0;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<Exchanges> exchanges_;
  std::unique_ptr<grpc::Server> server_;
  std::thread thread_;
  std::atomic<bool> is_draining_{false};

  std::mutex mutex_;
  std::set<Exchange*> live_;  // by mutex_: calls that have begun and hold a Wire
  std::condition_variable ended_;
};

void Server::configure(grpc::ServerBuilder& builder) {
  builder.AddListeningPort(address_of(options_.listen), grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(&verbs_);
  builder.RegisterService(&health_);
  builder.SetMaxReceiveMessageSize(static_cast<int>(
      std::min<std::size_t>(options_.body_bytes + kMessageBytes, std::numeric_limits<int>::max())));
  // Two processes on one port would share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Only reflection is served in that way; its thread shall sleep until it is asked.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::CQ_TIMEOUT_MSEC, 1 << 30);
}

void Server::make_methods() {
  for (int i = 0; i < runtime_service().method_count(); ++i) {
    const auto& rpc = *runtime_service().method(i);
    methods_.push_back({&verbs_, i, [this, &rpc](const ExchangePtr& exchange) {
                          serve_verb(exchange, rpc, options_, handler_);
                        }});
  }
  const HealthSource source{[this] { return !is_draining_ && options_.ready().ok(); },
                            options_.later};
  for (int i = 0; i < health_service().method_count(); ++i) {
    const bool watch = health_service().method(i)->server_streaming();
    methods_.push_back({&health_, i, [source, watch](const ExchangePtr& exchange) {
                          watch ? watch_health(exchange, source) : check_health(exchange, source);
                        }});
  }
}

bool Server::start() {
  // What fails is told by the status of calls, and by the result of `start`.
  gpr_set_log_function([](gpr_log_func_args*) {});
  grpc::EnableDefaultHealthCheckService(false);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  configure(builder);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (!server_) {
    queue_->Shutdown();
    return false;
  }
  make_methods();
  exchanges_ = std::unique_ptr<Exchanges>(
      new Exchanges{*queue_, options_.stream_buffer_bytes,
                    [this](const ExchangePtr& exchange) { began(exchange); },
                    [this](Exchange* exchange) { over(exchange); }});
  for (const Method& method : methods_) Exchange::accept(*exchanges_, method);
  thread_ = std::thread([this] { run(); });
  return true;
}

void Server::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Tag*>(tag)->fire(ok);
}

void Server::began(const ExchangePtr& exchange) {
  {
    const std::lock_guard lock(mutex_);
    live_.insert(exchange.get());
  }
  if (is_draining_) exchange->drain();
}

void Server::over(Exchange* exchange) {
  const std::lock_guard lock(mutex_);
  live_.erase(exchange);
  if (live_.empty()) ended_.notify_all();
}

std::vector<ExchangePtr> Server::live() {
  const std::lock_guard lock(mutex_);
  std::vector<ExchangePtr> found;
  for (Exchange* one : live_) found.push_back(one->shared_from_this());
  return found;
}

bool Server::drain(std::chrono::milliseconds deadline) {
  if (is_draining_.exchange(true)) return true;
  for (const ExchangePtr& one : live()) one->drain();
  // Blocks until every call has ended, and tells clients at once to make no new ones.
  std::thread closing([this, until = std::chrono::system_clock::now() + deadline + kLastWords] {
    server_->Shutdown(until);
  });
  bool all = false;
  {
    std::unique_lock lock(mutex_);
    all = ended_.wait_for(lock, deadline, [this] { return live_.empty(); });
  }
  for (const ExchangePtr& one : live()) {
    one->abort(end_of({make_error(Code::kUnavailable, "Draining", "the runtime is stopping"), {}}));
  }
  closing.join();
  return all;
}

Server::~Server() {
  if (!thread_.joinable()) return;
  drain(std::chrono::milliseconds(0));
  queue_->Shutdown();
  thread_.join();
}

}  // namespace

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(GrpcOptions options, net::Handler handler) {
  const std::string listen = options.listen;
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  if (!server->start()) {
    return make_error(Code::kUnavailable,
                      "cannot listen on " + listen +
                          ": it must be host:port, :port or unix:PATH, and not be in use");
  }
  return std::unique_ptr<GrpcServer>(std::move(server));
}

}  // namespace oa::runtime
