// What the methods of the services do with their calls.
//
// Thread-safety: can be called from any thread.
#pragma once

#include "libs/net/message.h"
#include "runtime-pod/grpc/exchange_impl.h"
#include "runtime-pod/grpc/server.h"
#include "runtime-pod/grpc/transcode.h"

namespace oa::runtime {

End end_of(const Problem& problem);

// A verb: the HTTP core answers it.
void serve_verb(const ExchangePtr& exchange, const google::protobuf::MethodDescriptor& rpc,
                const GrpcOptions& options, const net::Handler& handler);

// An answer of server-sent events, as messages.
std::shared_ptr<net::BodyWriter> make_event_writer(ExchangePtr exchange);

// grpc.health.v1. `serving` is whether calls are taken.
struct HealthSource {
  std::function<bool()> serving;
  std::function<void(std::chrono::milliseconds, std::function<void()>)> later;
};
void check_health(const ExchangePtr& exchange, const HealthSource& source);
void watch_health(const ExchangePtr& exchange, const HealthSource& source);

}  // namespace oa::runtime
