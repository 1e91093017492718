#include "tests/support/http_client.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace oa::test {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

int connect_to(const sockaddr* address, socklen_t size) {
  const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, address, size) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

// Status line and headers, without the empty line.
HttpReply parse_head(std::string_view head) {
  HttpReply reply;
  std::size_t line_start = 0;
  while (line_start < head.size()) {
    const std::size_t end = std::min(head.find("\r\n", line_start), head.size());
    const std::string_view line = head.substr(line_start, end - line_start);
    if (line_start == 0) {
      if (line.size() >= 12 && line.starts_with("HTTP/1.1 ")) {
        reply.status = std::atoi(std::string(line.substr(9, 3)).c_str());
      }
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      std::string_view value = line.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
      reply.headers.emplace_back(lower(line.substr(0, colon)), value);
    }
    line_start = end + 2;
  }
  return reply;
}

}  // namespace

std::string HttpReply::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

HttpClient::HttpClient(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd_ = connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

HttpClient::HttpClient(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  fd_ = connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

HttpClient::HttpClient(HttpClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      buffer_(std::move(other.buffer_)),
      deadline_(other.deadline_) {}

HttpClient::~HttpClient() { close(); }

void HttpClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void HttpClient::reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void HttpClient::finish_sending() { ::shutdown(fd_, SHUT_WR); }

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

HttpReply HttpClient::request(std::string_view method, std::string_view target,
                              std::string_view body,
                              const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string text(method);
  text.append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n");
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() || (method != "GET" && method != "HEAD" && method != "DELETE")) {
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  }
  text.append("\r\n").append(body);
  send(text);  // a server may answer before it has read everything: its answer counts
  return read_reply(method == "HEAD");
}

HttpClient::Read HttpClient::fill() {
  pollfd ready{fd_, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(deadline_.count())) <= 0) return Read::kFailed;
  char bytes[64 * 1024];
  const ssize_t got = ::recv(fd_, bytes, sizeof bytes, 0);
  if (got == 0) return Read::kEnd;
  if (got < 0) return Read::kFailed;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return Read::kBytes;
}

HttpReply HttpClient::read_reply(bool to_head) {
  for (;;) {
    std::size_t end = buffer_.find("\r\n\r\n");
    while (end == std::string::npos) {
      if (fill() != Read::kBytes) return {};
      end = buffer_.find("\r\n\r\n");
    }
    HttpReply reply = parse_head(std::string_view(buffer_).substr(0, end));
    consume(end + 4);
    if (reply.status >= 100 && reply.status < 200) continue;
    const std::size_t length =
        to_head ? 0 : std::strtoul(reply.header("content-length").c_str(), nullptr, 10);
    while (buffer_.size() < length) {
      if (fill() != Read::kBytes) return {};
    }
    reply.body = buffer_.substr(0, length);
    consume(length);
    return reply;
  }
}

std::string HttpClient::read_some() {
  if (buffer_.empty()) fill();
  return std::exchange(buffer_, {});
}

std::optional<std::string> HttpClient::read_to_end() {
  for (;;) {
    switch (fill()) {
      case Read::kBytes:
        break;
      case Read::kEnd:
        return std::exchange(buffer_, {});
      case Read::kFailed:
        return std::nullopt;
    }
  }
}

bool HttpClient::wait_for_close() {
  for (;;) {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(deadline_.count())) <= 0) return false;
    char bytes[64 * 1024];
    if (::recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

HttpReply raw_request(int port, std::string_view bytes) {
  HttpClient client(port);
  client.send(bytes);
  return client.read_reply();
}

}  // namespace oa::test
