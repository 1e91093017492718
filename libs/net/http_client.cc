#include "libs/net/http_client.h"

#include <utility>

#include "libs/net/client_loop_impl.h"

namespace oa::net {
namespace {

class LoopClient final : public HttpClient {
 public:
  LoopClient(Options options, std::shared_ptr<TlsContext> tls)
      : loop_(std::make_shared<ClientLoop>(std::move(options), std::move(tls))) {}
  ~LoopClient() override { loop_->stop(); }

  ClientHandle send(ClientRequest request, Done done) override {
    return loop_->send(std::move(request), std::move(done));
  }

 private:
  const std::shared_ptr<ClientLoop> loop_;  // handles look at it too
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::start(Options options) {
  if (options.max_connections_per_host == 0 || options.max_connections == 0) {
    return make_error(Code::kInvalidRequest,
                      "an HTTP client must be allowed at least one connection");
  }
  std::shared_ptr<TlsContext> tls;
  if (!options.ca_file.empty()) {
    Result<std::shared_ptr<TlsContext>> made = make_tls_context(options.ca_file);
    if (!made) return made.error();
    tls = *std::move(made);
  }
  return std::unique_ptr<HttpClient>(
      std::make_unique<LoopClient>(std::move(options), std::move(tls)));
}

}  // namespace oa::net
