// A small blocking HTTP/1.1 client over plain sockets, for tests of servers. It sends exactly the
// bytes it is told to, right or wrong, and gives up after a deadline instead of hanging.
//
// Thread-safety: none; one client per thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace oa::test {

struct HttpReply {
  int status = 0;  // 0: the connection ended, or nothing came, before there was a whole answer
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::string header(std::string_view lower_case_name) const;  // the first one, or ""
};

class HttpClient {
 public:
  // Connects to 127.0.0.1:port, or to the Unix socket at `path`. `connected()` says whether it
  // worked.
  explicit HttpClient(int port);
  explicit HttpClient(const std::string& path);
  HttpClient(HttpClient&& other) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient();

  bool connected() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  // A whole request and its answer: Host and Content-Length are added. HEAD is understood.
  HttpReply request(std::string_view method, std::string_view target, std::string_view body = {},
                    const std::vector<std::pair<std::string, std::string>>& headers = {});

  // Bytes as they are. False when the other side has closed.
  bool send(std::string_view bytes);
  // No more will be sent; answers can still be read.
  void finish_sending();
  // The next final answer; 1xx ones are skipped. `to_head`: it has no body whatever its headers
  // say.
  HttpReply read_reply(bool to_head = false);
  // At least one byte that has come and was not read yet; "" at the end of the connection or the
  // deadline.
  std::string read_some();
  // Everything until the other side closes; nothing if it has not closed by the deadline or reset
  // the connection.
  std::optional<std::string> read_to_end();
  // True once the other side has closed (or reset), false at the deadline; drops what comes before.
  bool wait_for_close();
  // Ends the connection with a reset, as a client that crashes does.
  void reset();
  void close();

  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }

 private:
  enum class Read { kBytes, kEnd, kFailed };
  Read fill();
  void consume(std::size_t size) { buffer_.erase(0, size); }

  int fd_ = -1;
  std::string buffer_;
  std::chrono::milliseconds deadline_{10'000};
};

// Connects, sends `bytes`, reads one answer, closes.
HttpReply raw_request(int port, std::string_view bytes);

}  // namespace oa::test
