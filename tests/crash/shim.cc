// Preloaded into the runtime by tests/crash: kills the process at a chosen call, makes the disk
// fail, or moves the wall clock. It works on system calls, so that the product needs no hooks.
//
//   CRASH_FAULT=ACTION:CALL:N[:M]   at the N-th call (and, of `full`, the M that follow)
//     ACTION  before, after: SIGKILL there; torn: SIGKILL after half of the bytes;
//             fail: EIO, nothing done; full: ENOSPC, nothing done
//     CALL    sync (fsync, fdatasync), write (pwrite), reply (send, sendmsg, writev to a socket)
//   CRASH_CLOCK=SECONDS             added to the wall clock
//
// Thread-safety: all calls may come from any thread.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

enum class Action { kNone, kBefore, kAfter, kTorn, kFail, kFull };
enum class Call { kNone, kSync, kWrite, kReply };

struct Plan {
  Action action = Action::kNone;
  Call call = Call::kNone;
  long first = 0;
  long more = 0;
  long clock_seconds = 0;
};

template <typename Enum, std::size_t count>
Enum pick(const char* word, const char* const (&words)[count]) {
  for (std::size_t i = 0; i < count; ++i) {
    if (std::strcmp(word, words[i]) == 0) return static_cast<Enum>(i);
  }
  std::fprintf(stderr, "shim: \"%s\" is not known\n", word);
  std::abort();
}

Plan read_plan() {
  Plan plan;
  if (const char* text = std::getenv("CRASH_CLOCK")) plan.clock_seconds = std::atol(text);
  const char* text = std::getenv("CRASH_FAULT");
  if (text == nullptr) return plan;
  char action[16] = "";
  char call[16] = "";
  if (std::sscanf(text, "%15[a-z]:%15[a-z]:%ld:%ld", action, call, &plan.first, &plan.more) < 3) {
    std::fprintf(stderr, "shim: CRASH_FAULT=%s must be ACTION:CALL:N[:M]\n", text);
    std::abort();
  }
  constexpr const char* kActions[] = {"", "before", "after", "torn", "fail", "full"};
  constexpr const char* kCalls[] = {"", "sync", "write", "reply"};
  plan.action = pick<Action>(action, kActions);
  plan.call = pick<Call>(call, kCalls);
  return plan;
}

const Plan& plan() {
  static const Plan read = read_plan();
  return read;
}

// What is to be done about this call.
Action fault(Call call) {
  static std::atomic<long> calls{0};
  if (plan().call != call) return Action::kNone;
  const long number = calls.fetch_add(1) + 1;
  return number >= plan().first && number <= plan().first + plan().more ? plan().action
                                                                        : Action::kNone;
}

void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// `run(half)` does the call, with half of its bytes or all of them.
template <typename Run>
long with_fault(Call call, Run run) {
  const Action action = fault(call);
  if (action == Action::kBefore) die();
  if (action == Action::kFail || action == Action::kFull) {
    errno = action == Action::kFail ? EIO : ENOSPC;
    return -1;
  }
  const long result = run(action == Action::kTorn);
  if (action == Action::kAfter || action == Action::kTorn) die();
  return result;
}

bool is_socket(int fd) {
  struct stat found {};
  return fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

long send_vector(int fd, const msghdr* message, int flags, bool half) {
  if (!half || message->msg_iovlen == 0) return syscall(SYS_sendmsg, fd, message, flags);
  return syscall(SYS_sendto, fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len / 2,
                 flags, nullptr, 0);
}

}  // namespace

extern "C" {

int fdatasync(int fd) {
  return static_cast<int>(
      with_fault(Call::kSync, [&](bool) { return syscall(SYS_fdatasync, fd); }));
}

int fsync(int fd) {
  return static_cast<int>(with_fault(Call::kSync, [&](bool) { return syscall(SYS_fsync, fd); }));
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
  return with_fault(Call::kWrite, [&](bool half) {
    return syscall(SYS_pwrite64, fd, data, half ? size / 2 : size, offset);
  });
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return pwrite64(fd, data, size, offset);
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
  return with_fault(Call::kReply, [&](bool half) {
    return syscall(SYS_sendto, fd, data, half ? size / 2 : size, flags, nullptr, 0);
  });
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return with_fault(Call::kReply, [&](bool half) { return send_vector(fd, message, flags, half); });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  if (!is_socket(fd)) return syscall(SYS_writev, fd, parts, count);
  return with_fault(Call::kReply, [&](bool half) {
    return syscall(SYS_writev, fd, parts, half ? (count + 1) / 2 : count);
  });
}

int clock_gettime(clockid_t clock, timespec* time) {
  const long result = syscall(SYS_clock_gettime, clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    time->tv_sec += plan().clock_seconds;
  }
  return static_cast<int>(result);
}

// A timer that is told of a clock that was set is one of the wall clock.
int timerfd_settime(int fd, int flags, const itimerspec* next, itimerspec* last) {
  itimerspec moved = *next;
  const bool is_set = moved.it_value.tv_sec != 0 || moved.it_value.tv_nsec != 0;
  if ((flags & TFD_TIMER_CANCEL_ON_SET) != 0 && is_set) {
    moved.it_value.tv_sec -= plan().clock_seconds;
    if (moved.it_value.tv_sec < 0) moved.it_value = {0, 1};
  }
  return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, &moved, last));
}
}
