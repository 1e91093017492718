#include "libs/net/listener_impl.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace oa::net {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kSocketFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

Error bad_address(const std::string& address, const std::string& must) {
  return make_error(Code::kInvalidRequest, "listen address \"" + address + "\" must " + must);
}

Error unavailable(const std::string& address, const std::string& why) {
  return make_error(Code::kUnavailable, "cannot listen on \"" + address + "\": " + why);
}

Error unavailable(const std::string& address, int error) {
  return unavailable(address, std::generic_category().message(error));
}

// Closes what is not released.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct HostPort {
  std::string host;  // empty: all addresses
  std::string port;
};

Result<HostPort> split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return bad_address(address, "be \"host:port\", \"[::1]:port\", \":port\" or \"unix:PATH\"");
  }
  HostPort parts{address.substr(0, colon), address.substr(colon + 1)};
  int port = -1;
  const char* end = parts.port.data() + parts.port.size();
  const auto [last, failed] = std::from_chars(parts.port.data(), end, port);
  if (failed != std::errc() || last != end || port < 0 || port > 65535) {
    return bad_address(address, "end in a port from 0 to 65535");
  }
  if (parts.host.starts_with('[') && parts.host.ends_with(']')) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
    in6_addr ignored;
    if (::inet_pton(AF_INET6, parts.host.c_str(), &ignored) != 1) {
      return bad_address(address, "hold an IPv6 address between [ and ]");
    }
  } else if (parts.host.find_first_of(":[]") != std::string::npos) {
    return bad_address(address, "write an IPv6 address between [ and ]");
  }
  return parts;
}

Result<int> listen_at(const std::string& address, const sockaddr* to, socklen_t size) {
  OwnedFd fd(::socket(to->sa_family, kSocketFlags, 0));
  if (fd.get() < 0) return unavailable(address, errno);
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // connections inherit it
  if (to->sa_family == AF_INET6) {
    // ":port" means IPv4 as well, whatever the machine's default.
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(fd.get(), to, size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0) {
    return unavailable(address, errno);
  }
  return fd.release();
}

int bound_port(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) return 0;
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                          : reinterpret_cast<sockaddr_in&>(name).sin_port);
}

// Makes room for a Unix socket: removes what a dead process left, refuses everything else.
std::optional<Error> remove_stale_socket(const std::string& address, const sockaddr_un& name) {
  struct stat file {};
  if (::lstat(name.sun_path, &file) != 0) {
    return errno == ENOENT ? std::nullopt : std::optional(unavailable(address, errno));
  }
  if (!S_ISSOCK(file.st_mode)) {
    return unavailable(address, "the file exists and is not a socket");
  }
  OwnedFd probe(::socket(AF_UNIX, kSocketFlags, 0));
  if (probe.get() < 0) return unavailable(address, errno);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 ||
      errno == EAGAIN) {
    return unavailable(address, "another process listens there");
  }
  if (errno != ECONNREFUSED || ::unlink(name.sun_path) != 0) return unavailable(address, errno);
  return std::nullopt;
}

std::string peer_name(const sockaddr_storage& from) {
  char host[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(from);
    ::inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(in.sin_port));
  }
  if (from.ss_family != AF_INET6) return "unix";
  const auto& in6 = reinterpret_cast<const sockaddr_in6&>(from);
  const std::string port = ":" + std::to_string(ntohs(in6.sin6_port));
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {  // an IPv4 client of a socket that takes both
    ::inet_ntop(AF_INET, &in6.sin6_addr.s6_addr[12], host, sizeof host);
    return host + port;
  }
  ::inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
  return "[" + std::string(host) + "]" + port;
}

}  // namespace

Result<Listener> Listener::open(const std::string& address) {
  return address.starts_with(kUnixPrefix) ? open_unix(address) : open_tcp(address);
}

Result<Listener> Listener::open_tcp(const std::string& address) {
  const Result<HostPort> parts = split(address);
  if (!parts) return parts.error();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* all = nullptr;
  const bool any = parts->host.empty();
  const int failed =
      ::getaddrinfo(any ? nullptr : parts->host.c_str(), parts->port.c_str(), &hints, &all);
  if (failed != 0) return bad_address(address, std::string("resolve: ") + ::gai_strerror(failed));

  // A name binds to its IPv4 address if it has one; "all addresses" to IPv6's, which takes both, if
  // there is one.
  const int preferred = any ? AF_INET6 : AF_INET;
  const addrinfo* first = all;
  for (const addrinfo* info = all; info != nullptr; info = info->ai_next) {
    if (info->ai_family == preferred) {
      first = info;
      break;
    }
  }
  Result<int> fd = listen_at(address, first->ai_addr, first->ai_addrlen);
  for (const addrinfo* info = all; any && !fd && info != nullptr; info = info->ai_next) {
    if (info != first) fd = listen_at(address, info->ai_addr, info->ai_addrlen);
  }
  ::freeaddrinfo(all);
  if (!fd) return fd.error();
  return Listener(*fd, bound_port(*fd));
}

Result<Listener> Listener::open_unix(const std::string& address) {
  const std::string path = address.substr(kUnixPrefix.size());
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof name.sun_path) {
    return bad_address(
        address, "have a path of 1 to " + std::to_string(sizeof name.sun_path - 1) + " bytes");
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  if (auto error = remove_stale_socket(address, name)) return *std::move(error);

  OwnedFd fd(::socket(AF_UNIX, kSocketFlags, 0));
  if (fd.get() < 0) return unavailable(address, errno);
  // Linux gives the file the mode of the unbound socket: it is never open to others, not even for a
  // moment.
  if (::fchmod(fd.get(), 0600) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return unavailable(address, errno);
  }
  Listener listener(fd.release(), 0);
  listener.unix_path_ = path;
  if (::lstat(path.c_str(), &listener.unix_file_) != 0 || ::listen(listener.fd_, SOMAXCONN) != 0) {
    return unavailable(address, errno);
  }
  return listener;
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      port_(other.port_),
      unix_path_(std::move(other.unix_path_)),
      unix_file_(other.unix_file_) {}

Listener::~Listener() {
  if (fd_ < 0) return;
  struct stat now {};
  if (!unix_path_.empty() && ::lstat(unix_path_.c_str(), &now) == 0 &&
      now.st_dev == unix_file_.st_dev && now.st_ino == unix_file_.st_ino) {
    ::unlink(unix_path_.c_str());
  }
  ::close(fd_);
}

Accepted accept_from(int listening_fd) {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  Accepted accepted;
  do {
    accepted.fd = ::accept4(listening_fd, reinterpret_cast<sockaddr*>(&from), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (accepted.fd < 0 && errno == EINTR);
  if (accepted.fd < 0) {
    accepted.error = errno;
  } else {
    accepted.peer = peer_name(from);
  }
  return accepted;
}

}  // namespace oa::net
