#include "libs/kube/cpprest_transport.h"

#include <algorithm>
#include <arpa/inet.h>
#include <functional>
#include <future>
#include <mutex>
#include <utility>

#include <cpprest/http_client.h>
#include <openssl/crypto.h>

#include "libs/kube/api_error.h"
#include "libs/kube/cpprest_exchange_impl.h"
#include "libs/kube/cpprest_tls_impl.h"

namespace oa::kube {
namespace {

using web::http::client::http_client;
using web::http::client::http_client_config;

constexpr auto kTeardownLimit = std::chrono::seconds(2);

// cpprestsdk's own time-outs are off: they restart with every chunk and are the same for all
// requests of a client.
constexpr auto kNever = std::chrono::hours(24 * 365);

bool is_address(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// cpprestsdk hands the host to the resolver as it is, where an IPv6 address must stand without
// brackets.
web::uri address_of(const std::string& server) {
  std::string text = server;
  const std::size_t open = text.find("://[");
  const std::size_t close = text.find(']');
  if (open != std::string::npos && close != std::string::npos) {
    text.erase(close, 1);
    text.erase(open + 3, 1);
  }
  return web::uri(text);
}

web::web_proxy proxy_of(const std::string& url) {
  const web::uri address(url);
  web::web_proxy proxy(address);
  const std::string user_info = web::uri::decode(address.user_info());
  const std::size_t colon = user_info.find(':');
  if (colon != std::string::npos) {
    proxy.set_credentials(
        web::credentials(user_info.substr(0, colon), user_info.substr(colon + 1)));
  }
  return proxy;
}

http_client_config config_for(const ClusterInfo& cluster, const std::string& host,
                              const std::shared_ptr<const ClientIdentity>& identity) {
  http_client_config config;
  config.set_timeout(kNever);
  config.set_max_redirects(0);
  config.set_validate_certificates(!cluster.tls.insecure_skip_verify);
  config.set_tlsext_sni_enabled(
      !is_address(cluster.tls.server_name.empty() ? host : cluster.tls.server_name));
  config.set_ssl_context_callback(
      [tls = cluster.tls, identity](boost::asio::ssl::context& context) {
        set_up_tls(context.native_handle(), tls, identity);
      });
  if (!cluster.proxy_url.empty()) config.set_proxy(proxy_of(cluster.proxy_url));
  return config;
}

// Requests and streams have clients of their own, for one setting.
struct Clients {
  Clients(const ClusterInfo& cluster, const web::uri& address,
          std::shared_ptr<const ClientIdentity> client_identity)
      : identity(std::move(client_identity)) {
    http_client_config config = config_for(cluster, address.host(), identity);
    requests = std::make_unique<http_client>(address, config);
    // A body that is not chunked is handed on in blocks of this size, and only when a block is
    // full: an event must not wait for the next one.
    config.set_chunksize(1);
    streams = std::make_unique<http_client>(address, config);
  }

  std::shared_ptr<const ClientIdentity> identity;
  std::unique_ptr<http_client> requests;
  std::unique_ptr<http_client> streams;
};

class CpprestStream : public Stream {
 public:
  CpprestStream(std::shared_ptr<Exchange> exchange, std::stop_token stop)
      : exchange_(std::move(exchange)),
        on_stop_(std::move(stop), [e = exchange_] { e->cancel(); }) {}
  ~CpprestStream() override { exchange_->cancel(); }

  int status() const override { return exchange_->status(); }
  const Headers& headers() const override { return exchange_->headers(); }
  Result<std::string> read(Duration idle_limit) override { return exchange_->read(idle_limit); }
  Result<void> wait_head(Duration limit) { return exchange_->wait_head(limit); }

 private:
  const std::shared_ptr<Exchange> exchange_;
  std::stop_callback<std::function<void()>> on_stop_;
};

class CpprestTransport : public Transport {
 public:
  CpprestTransport(ClusterInfo cluster, web::uri address)
      : cluster_(std::move(cluster)),
        address_(std::move(address)),
        in_flight_(std::make_shared<InFlight>()) {}

  ~CpprestTransport() override {
    for (const std::shared_ptr<Exchange>& exchange : in_flight_->all()) exchange->cancel();
    drop(std::move(clients_));
    // Until the loop has let go of everything: what is left to the end of the process would be torn
    // down together with the loop. A resolver that hangs is not waited for.
    in_flight_->wait_none(kTeardownLimit);
    const auto settled = std::make_shared<std::promise<void>>();
    cpprest_loop().post([settled] {
      OPENSSL_thread_stop();  // the thread itself ends after OpenSSL's own end, too late to do this
      settled->set_value();
    });
    settled->get_future().wait_for(kTeardownLimit);
  }

  Result<HttpResponse> send(const HttpRequest& request, Duration timeout,
                            std::stop_token stop) override {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    const auto left = [&] {
      return std::max(
          std::chrono::duration_cast<Duration>(deadline - std::chrono::steady_clock::now()),
          Duration(1));
    };
    CpprestStream stream(start(request, Kind::kRequest), std::move(stop));
    if (Result<void> head = stream.wait_head(left()); !head) return timed_out(head.error());
    HttpResponse response{stream.status(), stream.headers(), {}};
    while (true) {
      Result<std::string> bytes = stream.read(left());
      if (!bytes) return timed_out(bytes.error());
      if (bytes->empty()) return response;
      response.body += *bytes;
      if (response.body.size() > kMaxBody) {
        return make_error(Code::kLimitExceeded,
                          "the answer must be at most " + std::to_string(kMaxBody) + " bytes");
      }
    }
  }

  Result<std::unique_ptr<Stream>> open(const HttpRequest& request, Duration idle_limit,
                                       std::stop_token stop) override {
    auto stream = std::make_unique<CpprestStream>(start(request, Kind::kStream), std::move(stop));
    if (Result<void> head = stream->wait_head(idle_limit); !head) return head.error();
    return std::unique_ptr<Stream>(std::move(stream));
  }

 private:
  enum class Kind { kRequest, kStream };

  // One time limit covers a whole `send`, so silence is no error of its own there.
  static Error timed_out(Error error) {
    if (error.reason == reason::kIdleTimeout) error.reason = "Timeout";
    return error;
  }

  std::shared_ptr<Exchange> start(const HttpRequest& request, Kind kind) {
    auto exchange = std::make_shared<Exchange>(in_flight_);
    in_flight_->begin(exchange);
    cpprest_loop().post([exchange, request, kind, clients = clients_for(request.identity),
                         name = cluster_.tls.server_name] {
      if (exchange->is_cancelled()) return exchange->on_end(std::nullopt);
      begin_exchange(kind == Kind::kRequest ? *clients->requests : *clients->streams, request, name,
                     exchange);
    });
    return exchange;
  }

  // The clients that prove this identity; connections of another one are left to finish and then
  // closed.
  std::shared_ptr<Clients> clients_for(const std::shared_ptr<const ClientIdentity>& identity) {
    std::lock_guard lock(mutex_);
    const auto same = [&] {
      const auto& current = clients_->identity;
      return current == identity || (current && identity && *current == *identity);
    };
    if (!clients_ || !same()) {
      drop(std::exchange(clients_, std::make_shared<Clients>(cluster_, address_, identity)));
    }
    return clients_;
  }

  static void drop(std::shared_ptr<Clients> clients) {
    if (clients) cpprest_loop().post([clients] {});
  }

  const ClusterInfo cluster_;
  const web::uri address_;
  const std::shared_ptr<InFlight> in_flight_;
  std::mutex mutex_;
  std::shared_ptr<Clients> clients_;
};

}  // namespace

Result<std::unique_ptr<Transport>> make_cpprest_transport(const ClusterInfo& cluster) {
  try {
    cpprest_loop();
    const web::uri address = address_of(cluster.server);
    if ((address.scheme() != "https" && address.scheme() != "http") || address.host().empty()) {
      return make_error(Code::kInvalidRequest,
                        "server is \"" + cluster.server + "\" but must be an http or https URL");
    }
    // What is wrong with the CA is told now and not with every request; the clients are made when
    // they are needed.
    if (address.scheme() == "https") {
      boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
      set_up_tls(context.native_handle(), cluster.tls, nullptr);
    }
    return std::unique_ptr<Transport>(std::make_unique<CpprestTransport>(cluster, address));
  } catch (const std::exception& e) {
    return make_error(Code::kInvalidRequest, "server \"" + cluster.server + "\": " + e.what());
  }
}

}  // namespace oa::kube
