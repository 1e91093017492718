#include "tests/support/raw_server.h"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstdlib>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace oa::test {
namespace {

void must(bool worked) {
  if (!worked) std::abort();
}

class PlainConnection : public Connection {
 public:
  explicit PlainConnection(int fd) : fd_(fd) {}

  std::string read() override {
    std::array<char, 16384> bytes{};
    const ssize_t size = recv(fd_, bytes.data(), bytes.size(), 0);
    return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : std::string();
  }

  bool write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

 private:
  const int fd_;
};

class TlsConnection : public Connection {
 public:
  TlsConnection(SSL_CTX* context, int fd) : ssl_(SSL_new(context)) {
    SSL_set_fd(ssl_, fd);
    open_ = SSL_accept(ssl_) == 1;
  }
  ~TlsConnection() override {
    if (open_) SSL_shutdown(ssl_);
    SSL_free(ssl_);
  }
  bool open() const { return open_; }

  std::string read() override {
    std::array<char, 16384> bytes{};
    const int size = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    if (size <= 0) open_ = false;
    return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : std::string();
  }

  bool write(std::string_view bytes) override {
    if (SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) <= 0) open_ = false;
    return open_;
  }

 private:
  SSL* ssl_;
  bool open_ = false;
};

template <typename Read, typename Use>
void with_pem(const std::string& text, Read read, Use use) {
  BIO* bio = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  auto* value = read(bio, nullptr, nullptr, nullptr);
  must(value != nullptr);
  use(value);
  BIO_free_all(bio);
}

std::shared_ptr<void> make_context(const RawServer::Tls& tls) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  with_pem(tls.certificate.certificate, PEM_read_bio_X509, [&](X509* certificate) {
    must(SSL_CTX_use_certificate(context, certificate) == 1);
    X509_free(certificate);
  });
  with_pem(tls.certificate.key, PEM_read_bio_PrivateKey, [&](EVP_PKEY* key) {
    must(SSL_CTX_use_PrivateKey(context, key) == 1);
    EVP_PKEY_free(key);
  });
  if (!tls.client_ca.empty()) {
    with_pem(tls.client_ca, PEM_read_bio_X509, [&](X509* certificate) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
      X509_free(certificate);
    });
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return {context, [](void* c) { SSL_CTX_free(static_cast<SSL_CTX*>(c)); }};
}

std::size_t content_length(const std::string& head) {
  constexpr std::string_view kName = "\r\nContent-Length:";
  std::size_t at = head.find(kName);
  if (at == std::string::npos) return 0;
  at = head.find_first_not_of(' ', at + kName.size());
  std::size_t length = 0;
  std::from_chars(head.data() + at, head.data() + head.size(), length);
  return length;
}

}  // namespace

std::string Connection::read_request() {
  while (true) {
    const std::size_t end = ahead_.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t size = end + 4 + content_length(ahead_.substr(0, end + 2));
      if (ahead_.size() >= size) {
        std::string request = ahead_.substr(0, size);
        ahead_.erase(0, size);
        return request;
      }
    }
    const std::string more = read();
    if (more.empty()) return {};
    ahead_ += more;
  }
}

void Connection::wait_closed() {
  while (!read().empty()) {
  }
}

std::string Connection::chunk(std::string_view bytes) {
  std::array<char, 20> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), bytes.size(), 16).ptr;
  return std::string(size.data(), end) + "\r\n" + std::string(bytes) + "\r\n";
}

std::string Connection::response(int status, std::string_view body, std::string_view headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(headers) +
         "\r\n" + std::string(body);
}

RawServer::RawServer(Handler handler, std::optional<Tls> tls, const std::string& address)
    : handler_(std::move(handler)) {
  signal(SIGPIPE, SIG_IGN);  // SSL_write has no MSG_NOSIGNAL
  if (tls) tls_context_ = make_context(*tls);
  const bool v6 = address.find(':') != std::string::npos;
  sockaddr_storage storage{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  storage.ss_family = v6 ? AF_INET6 : AF_INET;
  void* place = v6 ? static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr)
                   : static_cast<void*>(&reinterpret_cast<sockaddr_in*>(&storage)->sin_addr);
  must(inet_pton(storage.ss_family, address.c_str(), place) == 1);
  listener_ = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(bind(listener_, reinterpret_cast<sockaddr*>(&storage), size) == 0);
  must(listen(listener_, 64) == 0);
  must(getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  port_ = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                   : reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

RawServer::~RawServer() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  for (std::thread& thread : threads_) thread.join();
}

void RawServer::accept_all() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    std::lock_guard lock(mutex_);
    if (closing_) {
      close(fd);
      return;
    }
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::serve(int fd) {
  if (tls_context_) {
    TlsConnection connection(static_cast<SSL_CTX*>(tls_context_.get()), fd);
    if (connection.open()) handler_(connection);
  } else {
    PlainConnection connection(fd);
    handler_(connection);
  }
  std::lock_guard lock(mutex_);
  open_.remove(fd);
  close(fd);
}

}  // namespace oa::test
