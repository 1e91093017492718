#include "runtime-pod/alarms/wall_timer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace oa::runtime {
namespace {

Error system_error(const char* what) {
  return make_error(Code::kInternal,
                    std::string(what) + " failed: " + std::strerror(errno));  // NOLINT: one thread
}

// A time at or before 1970 would disarm the timer: the first nanosecond after it is past as well.
itimerspec at_time(Time at) {
  const auto since = std::max(at.time_since_epoch(), Duration(0));
  const auto whole = std::chrono::floor<std::chrono::seconds>(since);
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(whole.count());
  spec.it_value.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - whole).count());
  if (since == Duration(0)) spec.it_value.tv_nsec = 1;
  return spec;
}

void drain(int fd) {
  std::uint64_t count = 0;
  static_cast<void>(read(fd, &count, sizeof count));
}

}  // namespace

Result<std::unique_ptr<SystemWallTimer>> SystemWallTimer::open() {
  const int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (timer < 0) return system_error("timerfd_create");
  const int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event < 0) {
    Error error = system_error("eventfd");
    close(timer);
    return error;
  }
  return std::unique_ptr<SystemWallTimer>(new SystemWallTimer(timer, event));
}

SystemWallTimer::~SystemWallTimer() {
  close(timer_);
  close(event_);
}

void SystemWallTimer::wait(std::optional<Time> at) {
  if (!arm(at)) return;
  std::array<pollfd, 2> watched = {{{event_, POLLIN, 0}, {timer_, POLLIN, 0}}};
  if (poll(watched.data(), watched.size(), -1) < 0) return;
  if (watched[0].revents != 0) drain(event_);
  if (watched[1].revents != 0) {
    drain(timer_);
    armed_ = false;
  }
}

void SystemWallTimer::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(write(event_, &one, sizeof one));
}

// False: the clock was set at this very moment.
bool SystemWallTimer::arm(std::optional<Time> at) {
  if (!at && !armed_) return true;
  const itimerspec spec = at ? at_time(*at) : itimerspec{};
  armed_ = at.has_value();
  const int flags = at ? TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET : 0;
  if (timerfd_settime(timer_, flags, &spec, nullptr) == 0) return true;
  if (errno != ECANCELED) std::abort();  // every argument is valid
  return false;
}

}  // namespace oa::runtime
