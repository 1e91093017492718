#include "libs/kube/cpprest_transport.h"

#include <algorithm>
#include <arpa/inet.h>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <pplx/threadpool.h>
#include <stdexcept>
#include <utility>

#include <cpprest/http_client.h>
#include <cpprest/streams.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "libs/kube/api_error.h"
#include "libs/kube/material.h"

namespace oa::kube {
namespace {

using web::http::client::http_client;
using web::http::client::http_client_config;

// Bytes that a stream holds for a reader that is behind, before it stops reading from the
// connection.
constexpr std::size_t kMaxPending = 256 << 10;
constexpr auto kTeardownLimit = std::chrono::seconds(2);

// cpprestsdk's own time-outs are off: they restart with every chunk and are the same for all
// requests of a client.
constexpr auto kNever = std::chrono::hours(24 * 365);

// ---- The one thread of cpprestsdk
// -----------------------------------------------------------------------------------

// Every call into cpprestsdk's client is made on its only thread, so that nothing in there ever
// runs twice at once.
boost::asio::io_service& loop() {
  static const bool initialized = [] {
    crossplat::threadpool::initialize_with_threads(1);
    return true;
  }();
  (void)initialized;
  return crossplat::threadpool::shared_instance().service();
}

// Counts the exchanges that cpprestsdk still knows of.
struct InFlight {
  std::mutex mutex;
  std::condition_variable changed;
  int count = 0;

  void begin() {
    std::lock_guard lock(mutex);
    ++count;
  }
  void end() {
    std::lock_guard lock(mutex);
    --count;
    changed.notify_all();
  }
};

// ---- Errors
// ---------------------------------------------------------------------------------------------------------

struct TlsMaterialError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Error transport_error(std::string_view why, std::string detail) {
  return make_error(Code::kUnavailable, std::string(why), std::move(detail));
}

// cpprestsdk reports failures by the message of its exceptions.
Error from_http_exception(const web::http::http_exception& exception) {
  const std::string_view what = exception.what();
  const auto begins = [&](std::string_view text) { return what.starts_with(text); };
  if (begins("Error in SSL handshake")) {
    const char* why =
        ERR_reason_error_string(static_cast<unsigned long>(exception.error_code().value()));
    return transport_error(reason::kTlsFailure,
                           "TLS handshake failed" + (why ? ": " + std::string(why) : ""));
  }
  if (begins("Failed to connect") || begins("Error resolving") || begins("Failed to resolve") ||
      begins("Expected a 200 response from proxy")) {
    return transport_error(reason::kConnectionRefused, std::string(what));
  }
  return transport_error(reason::kConnectionLost, std::string(what));
}

Error from_exception(const std::exception_ptr& pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const web::http::http_exception& e) {
    return from_http_exception(e);
  } catch (const TlsMaterialError& e) {
    return transport_error(reason::kTlsFailure, e.what());
  } catch (const std::exception& e) {
    return transport_error(reason::kConnectionLost, e.what());
  }
}

// ---- One request and its answer
// -------------------------------------------------------------------------------------

// Shared by the thread that waits and the thread of cpprestsdk; whoever is last frees it.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<InFlight> in_flight) : in_flight_(std::move(in_flight)) {
    in_flight_->begin();
  }
  ~Exchange() { in_flight_->end(); }

  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  pplx::cancellation_token token() const { return cancellation_.get_token(); }

  // ---- for the thread that waits ----

  // Until the head is here. TIMEOUT, UNAVAILABLE.
  Result<void> wait_head(Duration limit) {
    std::unique_lock lock(mutex_);
    const bool in_time =
        changed_.wait_for(lock, limit, [this] { return status_ != 0 || finished_ || cancelled_; });
    if (cancelled_) return cancelled();
    if (status_ != 0) return {};
    if (error_) return *error_;
    if (!in_time)
      return make_error(Code::kTimeout, std::string(reason::kIdleTimeout), "no answer in time");
    return transport_error(reason::kConnectionLost, "the connection ended before an answer");
  }

  Result<std::string> read(Duration limit) {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_for(
        lock, limit, [this] { return !pending_.empty() || finished_ || cancelled_; });
    if (cancelled_) return cancelled();
    if (!pending_.empty()) {
      std::string bytes = std::exchange(pending_, {});
      resume(lock);
      return bytes;
    }
    if (error_) return *error_;
    if (!in_time)
      return make_error(Code::kTimeout, std::string(reason::kIdleTimeout), "nothing came in time");
    return std::string();
  }

  // Returns at once; the connection is closed soon after unless the answer is complete.
  void cancel() {
    std::unique_lock lock(mutex_);
    if (finished_ || cancelled_) return;
    cancelled_ = true;
    changed_.notify_all();
    resume(lock);
    loop().post([self = shared_from_this()] { self->cancellation_.cancel(); });
  }

  int status() const {
    std::lock_guard lock(mutex_);
    return status_;
  }
  const Headers& headers() const { return headers_; }  // does not change once the head is here

  // ---- for the thread of cpprestsdk ----

  bool is_cancelled() const {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }

  void on_head(const web::http::http_response& response) {
    std::lock_guard lock(mutex_);
    for (const auto& [name, value] : response.headers()) headers_.emplace_back(name, value);
    status_ = response.status_code();
    changed_.notify_all();
  }

  // The task is complete when there is room for more.
  pplx::task<std::size_t> on_bytes(const char* bytes, std::size_t count) {
    std::lock_guard lock(mutex_);
    if (cancelled_) return pplx::task_from_result(count);
    pending_.append(bytes, count);
    changed_.notify_all();
    if (pending_.size() < kMaxPending) return pplx::task_from_result(count);
    room_.emplace();
    room_for_ = count;
    return pplx::create_task(*room_);
  }

  void on_end(std::optional<Error> error) {
    std::lock_guard lock(mutex_);
    finished_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }

 private:
  // Lets cpprestsdk read on.
  void resume(std::unique_lock<std::mutex>&) {
    if (!room_) return;
    loop().post(
        [room = *std::exchange(room_, std::nullopt), count = room_for_] { room.set(count); });
  }

  const std::shared_ptr<InFlight> in_flight_;
  pplx::cancellation_token_source cancellation_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;  // 0: no head yet
  Headers headers_;
  std::string pending_;  // bytes that came and were not read
  std::optional<pplx::task_completion_event<std::size_t>>
      room_;  // set while cpprestsdk waits for room
  std::size_t room_for_ = 0;
  bool finished_ = false;  // by the server or an error
  bool cancelled_ = false;
  std::optional<Error> error_;
};

// What cpprestsdk writes an answer's body to.
class Sink : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit Sink(std::shared_ptr<Exchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override {
    return static_cast<pos_type>(traits::eof());
  }
  pos_type seekpos(pos_type, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  bool acquire(std::uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t*, std::size_t) override {}

 protected:
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    return exchange_->on_bytes(reinterpret_cast<const char*>(&byte), 1).then([byte](std::size_t) {
      return static_cast<int_type>(byte);
    });
  }
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    return exchange_->on_bytes(reinterpret_cast<const char*>(bytes), count);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

  // Nothing is read from here.
  pplx::task<int_type> _bumpc() override { return end(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return end(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return end(); }
  pplx::task<int_type> _ungetc() override { return end(); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override {
    return pplx::task_from_result<std::size_t>(0);
  }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

 private:
  static pplx::task<int_type> end() { return pplx::task_from_result<int_type>(traits::eof()); }

  const std::shared_ptr<Exchange> exchange_;
};

// Runs on the thread of cpprestsdk.
void begin_exchange(http_client& client, const HttpRequest& request, const std::string& host_name,
                    const std::shared_ptr<Exchange>& exchange) {
  web::http::http_request message(request.method);
  message.set_request_uri(web::uri(target(request)));
  for (const auto& [name, value] : request.headers) message.headers().add(name, value);
  if (!host_name.empty()) message.headers().add("Host", host_name);
  if (!request.body.empty()) {
    message.set_body(request.body, std::string(header(request.headers, "Content-Type")));
  }
  const concurrency::streams::streambuf<std::uint8_t> sink(std::make_shared<Sink>(exchange));
  message.set_response_stream(concurrency::streams::ostream(sink));
  client.request(message, exchange->token())
      .then([exchange](const pplx::task<web::http::http_response>& head) {
        try {
          const web::http::http_response response = head.get();
          exchange->on_head(response);
          response.content_ready().then(
              [exchange](const pplx::task<web::http::http_response>& whole) {
                try {
                  whole.get();
                  exchange->on_end(std::nullopt);
                } catch (...) {
                  exchange->on_end(from_exception(std::current_exception()));
                }
              });
        } catch (...) {
          exchange->on_end(from_exception(std::current_exception()));
        }
      });
}

// ---- TLS
// ------------------------------------------------------------------------------------------------------------

template <typename T, void (*Free)(T*)>
struct Freer {
  void operator()(T* value) const { Free(value); }
};
using BioPointer = std::unique_ptr<BIO, Freer<BIO, BIO_free_all>>;
using X509Pointer = std::unique_ptr<X509, Freer<X509, X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

BioPointer bio_of(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Trusts the certificates of `pem` and no others.
void trust(SSL_CTX* context, const std::string& pem) {
  X509_STORE* store = X509_STORE_new();
  SSL_CTX_set_cert_store(context, store);  // takes ownership
  const BioPointer bio = bio_of(pem);
  int count = 0;
  while (X509Pointer certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(store, certificate.get());
    ++count;
  }
  ERR_clear_error();  // the end of the text is one
  if (count == 0) throw TlsMaterialError("the CA must be one or more PEM certificates");
}

void use_identity(SSL_CTX* context, const ClientIdentity& identity) {
  const BioPointer chain = bio_of(identity.certificate);
  const X509Pointer leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    throw TlsMaterialError("the client certificate must be a PEM certificate");
  }
  while (X509Pointer issuer{PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)}) {
    SSL_CTX_add1_chain_cert(context, issuer.get());
  }
  ERR_clear_error();
  const BioPointer bio = bio_of(identity.key);
  const KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw TlsMaterialError(
        "the client key must be a PEM private key without a passphrase that fits the certificate");
  }
}

void set_up_tls(SSL_CTX* context, const TlsOptions& tls,
                const std::shared_ptr<const ClientIdentity>& identity) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  std::string ca = tls.ca_data;
  if (ca.empty() && !tls.ca_file.empty()) {
    Result<std::string> file = read_file(tls.ca_file);
    if (!file) throw TlsMaterialError(file.error().detail);
    ca = std::move(*file);
  }
  if (!ca.empty()) trust(context, ca);
  if (identity) use_identity(context, *identity);
}

// ---- Transport
// ------------------------------------------------------------------------------------------------------

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
    drop(std::move(clients_));
    std::unique_lock lock(in_flight_->mutex);
    in_flight_->changed.wait_for(lock, kTeardownLimit, [this] { return in_flight_->count == 0; });
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
    loop().post([exchange, request, kind, clients = clients_for(request.identity),
                 name = cluster_.tls.server_name] {
      if (exchange->is_cancelled()) return;
      try {
        begin_exchange(kind == Kind::kRequest ? *clients->requests : *clients->streams, request,
                       name, exchange);
      } catch (...) {
        exchange->on_end(from_exception(std::current_exception()));
      }
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
    if (clients) loop().post([clients] {});
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
    loop();
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
