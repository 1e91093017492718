// One gRPC call, as its server sees it: a message in, messages out, a status. Unary calls are those
// that are answered with one message.
//
// Everything of gRPC that a call holds is in its Wire, which goes as soon as no operation on it is
// under way, so that the server can end while an answer is still being made.
//
// Thread-safety: can be used from any thread; never blocks. Callbacks run on the server's thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/async_stream.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/net/stream.h"

namespace oa::runtime {

// What a completion queue gives back.
struct Tag {
  std::function<void(bool ok)> fire;
};

struct Wire {
  grpc::ServerContext context;
  grpc::ByteBuffer request;
  grpc::ServerAsyncWriter<grpc::ByteBuffer> writer{&context};
  grpc::Alarm alarm;
};

// A service whose methods take and give bytes, all in the way of server streaming: on the wire a
// unary call is a stream of one message.
class RawService : public grpc::Service {
 public:
  explicit RawService(const google::protobuf::ServiceDescriptor& descriptor);
  void request(int method, Wire& wire, grpc::ServerCompletionQueue& queue, Tag& tag);

 private:
  std::vector<std::string> names_;
};

class Exchange;
using ExchangePtr = std::shared_ptr<Exchange>;

// What exchanges share; outlives every Wire.
struct Exchanges {
  grpc::ServerCompletionQueue& queue;
  std::size_t stream_buffer_bytes;
  std::function<void(const ExchangePtr&)> began;
  std::function<void(Exchange*)> over;
};

struct Method {
  RawService* service;
  int index;
  std::function<void(const ExchangePtr&)> begin;
};

struct End {
  grpc::Status status;
  std::vector<std::pair<std::string, std::string>> trailers = {};
};

class Exchange : public net::Caller, public std::enable_shared_from_this<Exchange> {
 public:
  // Waits for the next call of the method, and for all that follow.
  static void accept(Exchanges& exchanges, const Method& method);

  explicit Exchange(Exchanges& exchanges) : exchanges_(exchanges) {}

  // Of the call, until it is over.
  bool read(google::protobuf::Message& message);
  std::string metadata(const std::string& name);
  std::string authority();
  std::string peer();

  // The one message of a unary call.
  void reply(const google::protobuf::Message& message, End end = {});
  // False: the call is over, or its client reads so slowly that it was cut off.
  bool send(const google::protobuf::Message& message);
  // After what was sent. Idempotent.
  void finish(End end);
  // As finish, without waiting for what the client has not taken yet.
  void abort(End end);

  void post(std::function<void()> work);  // later, on the server's thread; dropped once over
  std::size_t buffered();
  void drain();     // calls what waits for on_draining
  void answered();  // from now on nobody is told by on_gone

  // The three of net::BodyWriter, and net::Caller's.
  void on_closed(std::function<void()> closed);
  void on_drained(std::function<void()> drained);
  void on_draining(std::function<void()> draining);
  void on_gone(std::function<void()> gone) override;

 private:
  void started(bool ok, const Method& method);
  void wrote(bool ok);
  void done();
  void posted();
  void settle(std::unique_lock<std::mutex> lock);  // an operation has come back
  void hear(std::function<void()>& slot, std::function<void()> callback);

  // With mutex_ held.
  void pump();
  void start_alarm();

  Exchanges& exchanges_;
  std::mutex mutex_;
  // By mutex_, as all below. Null once the call is over and nothing of it is under way.
  std::unique_ptr<Wire> wire_ = std::make_unique<Wire>();
  ExchangePtr self_;  // while gRPC knows the tags
  int pending_ = 0;   // operations under way
  Tag started_, written_, finished_, done_, alarmed_;

  std::deque<grpc::ByteBuffer> queue_;
  std::size_t queued_bytes_ = 0;
  bool is_writing_ = false;
  bool is_over_ = false;  // nothing more is taken to be sent
  bool is_closed_ = false;
  bool is_answered_ = false;
  bool is_finishing_ = false;
  bool is_draining_ = false;
  bool has_alarm_ = false;
  std::optional<End> end_;
  std::vector<std::function<void()>> work_;
  std::function<void()> gone_, closed_, drained_, draining_;
};

}  // namespace oa::runtime
