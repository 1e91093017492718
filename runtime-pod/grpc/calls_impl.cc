#include "runtime-pod/grpc/calls_impl.h"

#include <exception>
#include <utility>

namespace oa::runtime {
namespace {

// Answers its call once; destroyed without an answer, it says so.
class Responder {
 public:
  Responder(ExchangePtr exchange, const google::protobuf::MethodDescriptor& rpc)
      : exchange_(std::move(exchange)), rpc_(rpc) {}
  ~Responder() {
    if (!is_answered_) exchange_->finish({{grpc::StatusCode::INTERNAL, "no answer was given"}});
  }

  void answer(net::Response response) {
    is_answered_ = true;
    exchange_->answered();
    if (response.status >= 400 || response.websocket) return refuse(response);
    if (!rpc_.server_streaming()) {
      const std::unique_ptr<google::protobuf::Message> reply(
          google::protobuf::MessageFactory::generated_factory()
              ->GetPrototype(rpc_.output_type())
              ->New());
      from_http(response, *reply);
      return exchange_->reply(*reply);
    }
    if (!response.stream) {
      return exchange_->finish({{grpc::StatusCode::INTERNAL, "the answer is no stream"}});
    }
    exchange_->post([exchange = exchange_, stream = std::move(response.stream)] {
      stream(make_event_writer(exchange));
    });
  }

 private:
  void refuse(const net::Response& response) {
    const auto problem = read_problem(response.body);
    if (problem) return exchange_->finish(end_of(*problem));
    exchange_->finish(
        {{grpc::StatusCode::UNKNOWN, "answered with status " + std::to_string(response.status)}});
  }

  const ExchangePtr exchange_;
  const google::protobuf::MethodDescriptor& rpc_;
  bool is_answered_ = false;
};

// "ipv4:127.0.0.1:51234" -> "127.0.0.1:51234"
std::string peer_name(const std::string& peer) {
  if (peer.starts_with("unix")) return "unix";
  return peer.substr(std::min(peer.find(':') + 1, peer.size()));
}

Result<void> check_size(const net::Request& request, std::size_t limit) {
  if (request.body.size() <= limit) return {};
  return make_error(Code::kInvalidRequest, "PayloadTooLarge",
                    "the request body must be at most " + std::to_string(limit) + " bytes");
}

}  // namespace

End end_of(const Problem& problem) {
  const Error& error = problem.error;
  End end{grpc::Status(static_cast<grpc::StatusCode>(grpc_status(error)), error.detail,
                       status_details(problem))};
  end.trailers = {{"openagents-code", std::string(code_name(error.code))},
                  {"openagents-retryable", error.retryable ? "true" : "false"}};
  if (!error.reason.empty()) end.trailers.emplace_back("openagents-reason", error.reason);
  if (!problem.trace_id.empty()) end.trailers.emplace_back("openagents-trace-id", problem.trace_id);
  return end;
}

void serve_verb(const ExchangePtr& exchange, const google::protobuf::MethodDescriptor& rpc,
                const GrpcOptions& options, const net::Handler& handler) {
  const std::string traceparent = exchange->metadata("traceparent");
  const auto refuse = [&](const Error& error) {
    exchange->finish(end_of({error, net::trace_id_of(traceparent).value_or("")}));
  };
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(rpc.input_type())->New());
  if (!exchange->read(*message)) {
    return refuse(make_error(Code::kInvalidRequest,
                             "the message must be a " + rpc.input_type()->full_name()));
  }
  auto request = to_http(rpc, *message, options.agent);
  if (!request) return refuse(request.error());
  if (auto good = check_size(*request, options.body_bytes); !good) return refuse(good.error());
  request->headers.add("Host", exchange->authority());
  if (!traceparent.empty()) request->headers.add("traceparent", traceparent);
  request->peer = peer_name(exchange->peer());
  request->caller = exchange;
  const auto responder = std::make_shared<Responder>(exchange, rpc);
  // Who throws has not answered, which the responder says as it goes.
  try {
    handler(std::move(*request),
            [responder](net::Response response) { responder->answer(std::move(response)); });
  } catch (const std::exception&) {
  }
}

}  // namespace oa::runtime
