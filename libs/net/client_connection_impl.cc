#include "libs/net/client_connection_impl.h"

#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace oa::net {
namespace asio = boost::asio;
namespace {

// Asio's own would be inherited by child processes.
int open_socket(const ClientEndpoint& endpoint) {
  const auto protocol = endpoint.protocol();
  const int fd =
      ::socket(protocol.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol.protocol());
  if (fd >= 0 && protocol.family() != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return fd;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> make_tls_context(const std::string& ca_file) {
  try {
    auto context = std::make_shared<TlsContext>(TlsContext::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
    context->set_verify_mode(asio::ssl::verify_peer);
    if (ca_file.empty()) {
      context->set_default_verify_paths();
    } else {
      context->load_verify_file(ca_file);
    }
    return context;
  } catch (const boost::system::system_error& e) {
    return make_error(Code::kInvalidRequest,
                      "the CA file " + ca_file + " must hold PEM certificates: " + e.what());
  }
}

ClientConnection::ClientConnection(asio::io_context& io) : socket_(io) {}

ClientConnection::~ClientConnection() = default;

ClientConnection::Awaitable<void> ClientConnection::connect(const ClientEndpoint& endpoint,
                                                            ErrorCode& failed) {
  const int fd = open_socket(endpoint);
  if (fd < 0) {
    failed.assign(errno, boost::system::system_category());
    co_return;
  }
  socket_.assign(endpoint.protocol(), fd, failed);
  if (failed) {
    ::close(fd);
    co_return;
  }
  co_await socket_.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, failed));
}

ClientConnection::Awaitable<void> ClientConnection::handshake(TlsContext& context,
                                                              const std::string& host,
                                                              ErrorCode& failed) {
  tls_ = std::make_unique<asio::ssl::stream<ClientSocket&>>(socket_, context);
  SSL* const ssl = tls_->native_handle();
  X509_VERIFY_PARAM* const verify = SSL_get0_param(ssl);
  ErrorCode is_name;
  asio::ip::make_address(host, is_name);
  const bool set = is_name ? SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 &&
                                 X509_VERIFY_PARAM_set1_host(verify, host.data(), host.size()) == 1
                           : X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (!set) {  // the connection would be to anyone
    failed = asio::error::invalid_argument;
    co_return;
  }
  co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                 asio::redirect_error(asio::use_awaitable, failed));
}

std::string ClientConnection::certificate_problem() const {
  if (!tls_) return {};
  const long result = SSL_get_verify_result(tls_->native_handle());
  return result == X509_V_OK ? "" : X509_verify_cert_error_string(result);
}

ClientConnection::Awaitable<std::size_t> ClientConnection::read_some(asio::mutable_buffer into,
                                                                     ErrorCode& failed) {
  auto token = asio::redirect_error(asio::use_awaitable, failed);
  return tls_ ? tls_->async_read_some(into, token) : socket_.async_read_some(into, token);
}

ClientConnection::Awaitable<std::size_t> ClientConnection::write_some(asio::const_buffer from,
                                                                      ErrorCode& failed) {
  auto token = asio::redirect_error(asio::use_awaitable, failed);
  return tls_ ? tls_->async_write_some(from, token) : socket_.async_write_some(from, token);
}

// Nothing is owed by the server: whatever has come, and be it the end, makes it useless.
bool ClientConnection::usable() {
  char byte = 0;
  const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void ClientConnection::close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

}  // namespace oa::net
