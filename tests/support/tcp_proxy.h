// A TCP proxy on loopback that a test can cut: all of its connections at once, or new ones too.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace oa::test {

class TcpProxy {
 public:
  // Forwards to `port` of 127.0.0.1.
  explicit TcpProxy(int port);
  ~TcpProxy();

  int port() const { return port_; }

  // Resets all connections. While `refusing`, new ones are reset at once.
  void cut();
  void refuse(bool refusing) { refusing_ = refusing; }

  int connections() const { return connections_; }

 private:
  struct Link {
    int client = -1;
    int server = -1;
    bool open = true;
    std::thread thread;
  };

  void accept_all();
  void forward(Link& link);

  const int target_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> refusing_{false};
  std::atomic<int> connections_{0};
  std::mutex mutex_;
  bool closing_ = false;
  std::list<Link> links_;
  std::thread acceptor_;
};

}  // namespace oa::test
