// The outbox's requests over the HTTP client.
//
// Thread-safety: as the client.
#pragma once

#include <chrono>

#include "libs/net/http_client.h"
#include "runtime-pod/agent/outbox_request.h"

namespace oa::runtime {

class HttpSender : public Sender {
 public:
  // `client` must outlive it.
  explicit HttpSender(net::HttpClient& client,
                      std::chrono::milliseconds timeout = std::chrono::seconds(60))
      : client_(client), timeout_(timeout) {}

  void send(Outgoing request, Done done) override;

 private:
  net::HttpClient& client_;
  const std::chrono::milliseconds timeout_;
};

}  // namespace oa::runtime
