// A server on loopback whose every byte the test decides: one function per connection, in a thread
// of its own.
//
// Thread-safety: a Connection belongs to its thread; the rest can be used from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "tests/support/test_pki.h"

namespace oa::test {

class Connection {
 public:
  virtual ~Connection() = default;
  // Some bytes; "" at the end.
  virtual std::string read() = 0;
  virtual bool write(std::string_view bytes) = 0;  // false: the peer went away

  // The whole of one HTTP request, body by Content-Length; "" if the peer went away.
  std::string read_request();
  // Waits until the peer has closed.
  void wait_closed();
  // What `chunk` looks like in chunked transfer encoding.
  static std::string chunk(std::string_view bytes);
  static std::string response(int status, std::string_view body, std::string_view headers = {});

 private:
  std::string ahead_;  // read past the end of the last request
};

class RawServer {
 public:
  using Handler = std::function<void(Connection&)>;

  struct Tls {
    Certificate certificate;
    std::string client_ca;  // set: a client certificate signed by it is demanded
  };

  explicit RawServer(Handler handler, std::optional<Tls> tls = std::nullopt,
                     const std::string& address = "127.0.0.1");
  ~RawServer();  // closes all connections and joins their threads

  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void accept_all();
  void serve(int fd);

  const Handler handler_;
  std::shared_ptr<void> tls_context_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  bool closing_ = false;
  std::list<int> open_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace oa::test
