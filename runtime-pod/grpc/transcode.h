// A gRPC call as the HTTP request that it stands for, and the answer back: by the options of the
// rpc and of the fields of its messages (proto/openagents/runtime/v1/options.proto).
//
// Thread-safety: functions of what they are given.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/agent.h"
#include "core/error.h"
#include "core/result.h"
#include "libs/net/message.h"

namespace google::protobuf {
class Message;
class MethodDescriptor;
}  // namespace google::protobuf

namespace oa::runtime {

// Of a call's path, query and headers in all, as for HTTP.
inline constexpr std::size_t kMaxHeadBytes = 16 * 1024;

// `own` is a pod's agent: the paths stand at the root, and no other agent may be named.
Result<net::Request> to_http(const google::protobuf::MethodDescriptor& rpc,
                             const google::protobuf::Message& message,
                             const std::optional<AgentId>& own);

// Fills the reply from an answer that is none of an error.
void from_http(const net::Response& answer, google::protobuf::Message& reply);

struct Problem {
  Error error;
  std::string trace_id;
};

// From the JSON of a problem, also where it is a member `problem` or `error` of an event. Nothing
// if the text is not that.
std::optional<Problem> read_problem(std::string_view json);

// google.rpc.Status with an ErrorInfo, and a BadRequest where fields are wrong: what gRPC carries
// in `grpc-status-details-bin`.
std::string status_details(const Problem& problem);

}  // namespace oa::runtime
