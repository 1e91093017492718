// One connection of the client: a TCP or Unix socket, under TLS or not.
//
// Thread-safety: used on the client's thread only. What is awaited must have ended before the
// connection is destroyed; `close` ends it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include "core/result.h"
#include "libs/net/client_pool_impl.h"

namespace boost::asio::ssl {
class context;
template <typename Stream>
class stream;
}  // namespace boost::asio::ssl

namespace oa::net {

using ClientSocket = boost::asio::generic::stream_protocol::socket;
using ClientEndpoint = boost::asio::generic::stream_protocol::endpoint;
using TlsContext = boost::asio::ssl::context;

// Verifies servers against `ca_file`, or the system's authorities if it is empty. Fails with
// INVALID_REQUEST if the file has no certificates.
Result<std::shared_ptr<TlsContext>> make_tls_context(const std::string& ca_file);

class ClientConnection final : public Pooled {
 public:
  using ErrorCode = boost::system::error_code;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  explicit ClientConnection(boost::asio::io_context& io);
  ~ClientConnection() override;

  // At the first failure of one that is to be tried again, make another.
  Awaitable<void> connect(const ClientEndpoint& endpoint, ErrorCode& failed);
  // The certificate must be for `host`, a name or an address.
  Awaitable<void> handshake(TlsContext& context, const std::string& host, ErrorCode& failed);
  // What is wrong with the server's certificate; empty if it is something else that failed.
  std::string certificate_problem() const;

  Awaitable<std::size_t> read_some(boost::asio::mutable_buffer into, ErrorCode& failed);
  Awaitable<std::size_t> write_some(boost::asio::const_buffer from, ErrorCode& failed);

  bool is_tls() const { return tls_ != nullptr; }
  bool usable() override;
  void close();

 private:
  ClientSocket socket_;
  std::unique_ptr<boost::asio::ssl::stream<ClientSocket&>> tls_;
};

}  // namespace oa::net
