// Listening sockets: TCP over IPv4 and IPv6, and Unix sockets.
//
// Thread-safety: none; `Listener` is used by one thread at a time.
#pragma once

#include <string>
#include <sys/stat.h>

#include "core/result.h"

namespace oa::net {

// A bound, listening, non-blocking socket. The file of a Unix socket goes with it, if it is still
// its own.
class Listener {
 public:
  // Address forms and errors as HttpServer::Options::listen and HttpServer::start say.
  static Result<Listener> open(const std::string& address);

  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  int fd() const { return fd_; }
  int port() const { return port_; }  // 0 of a Unix socket

 private:
  Listener(int fd, int port) : fd_(fd), port_(port) {}
  static Result<Listener> open_unix(const std::string& address);
  static Result<Listener> open_tcp(const std::string& address);

  int fd_;  // -1 when moved from
  int port_;
  std::string unix_path_;       // empty for TCP
  struct stat unix_file_ = {};  // which file was made at unix_path_
};

struct Accepted {
  int fd = -1;       // non-blocking, or -1 with the reason in `error`
  int error = 0;     // errno
  std::string peer;  // "127.0.0.1:51234", "[::1]:51234" or "unix"
};
Accepted accept_from(int listening_fd);

}  // namespace oa::net
