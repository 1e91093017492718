// One I/O thread of the server: its event loop, its connections, and their deadlines.
//
// Thread-safety: `post`, `stop`, the constructor and the destructor are the server's; everything
// else runs on the I/O thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <ctime>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include "libs/net/http_server.h"
#include "libs/net/respond_impl.h"

namespace oa::net {

using SteadyTime = std::chrono::steady_clock::time_point;

// What all I/O threads of a server share.
struct ServerState {
  ServerState(HttpServer::Options server_options, Handler request_handler)
      : options(std::move(server_options)), handler(std::move(request_handler)) {}

  const HttpServer::Options options;
  const Handler handler;

  std::atomic<std::size_t> connections{0};  // admitted, open
  std::atomic<std::size_t> rejected{0};     // over the limit, open until their 503 is delivered
  std::atomic<std::size_t> in_flight{0};    // requests with the handler, or answers not yet written

  // For those who wait until the counts above are zero. A count is lowered before `draining` is
  // read, and `draining` set before the counts are, so that one of the two sides sees the other.
  std::atomic<bool> draining{false};
  std::mutex mutex;
  std::condition_variable ended;

  void on_connection_end(bool was_rejected);
};

// What a connection waits for its client to do. The time allowed for each is a constant of the
// server.
enum class Phase {
  kIdle,
  kHeaders,
  kBody,
  kWrite,
  kLinger,
  kSocketIdle,
  kSocketPing,
  kSocketClose
};
constexpr std::size_t kPhases = 8;

struct DeadlineHook;
struct MemberHook;
template <typename Tag>
using Hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
template <typename T, typename Tag>
using HookedList = boost::intrusive::list<T, boost::intrusive::base_hook<Hook<Tag>>,
                                          boost::intrusive::constant_time_size<false>>;

// What a worker needs to know of a connection.
class Served : public Hook<DeadlineHook>, public Hook<MemberHook> {
 public:
  virtual ~Served() = default;
  virtual void on_deadline() = 0;
  virtual void on_drain() = 0;
  virtual void close() = 0;

  SteadyTime due;  // meaningful while it has a deadline
};

// Deadlines in order at a constant cost per change: one list per phase, and since a phase's time is
// a constant, whoever enters it last is due last.
class Deadlines {
 public:
  explicit Deadlines(const ServerLimits& limits);

  void set(Served& served, Phase phase, SteadyTime now);
  static void clear(Served& served) { served.Hook<DeadlineHook>::unlink(); }
  std::optional<SteadyTime> earliest() const;
  // One that is due at `now`, which then has no deadline any more; null if there is none.
  Served* take_due(SteadyTime now);

 private:
  std::array<std::chrono::milliseconds, kPhases> allowed_;
  std::array<HookedList<Served, DeadlineHook>, kPhases> lists_;
};

class Worker {
 public:
  explicit Worker(std::shared_ptr<ServerState> state);
  ~Worker();

  template <typename Call>
  void post(Call call) {
    boost::asio::post(io_, std::move(call));
  }
  // Ends all connections at once and then the thread. The worker can still be asked and posted to,
  // in vain.
  void stop();

  // From now on connections end as soon as they are idle.
  void begin_drain();

  void add(Served& served) { members_.push_back(served); }
  void set_deadline(Served& served, Phase phase);
  void clear_deadline(Served& served) { Deadlines::clear(served); }

  ServerState& state() { return *state_; }
  boost::asio::io_context& io() { return io_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  bool draining() const { return draining_; }
  bool closed() const { return closed_; }
  std::string_view date();  // for the Date header

  // Buffers that are used only within one call, so that a connection that waits holds none.
  static constexpr std::size_t kInputBytes = 32 * 1024;
  char* input() { return input_.get(); }
  std::string& output() { return output_; }

 private:
  void close_all();
  void arm_timer(SteadyTime at);
  void on_timer();

  const std::shared_ptr<ServerState> state_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer timer_;
  std::optional<SteadyTime> armed_;  // when timer_ fires; never later than the earliest deadline
  Deadlines deadlines_;
  HookedList<Served, MemberHook> members_;
  const std::shared_ptr<Mailbox> mailbox_;
  const std::unique_ptr<char[]> input_;
  std::string output_;
  std::time_t date_second_ = -1;
  std::string date_;
  bool draining_ = false;
  bool closed_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace oa::net
