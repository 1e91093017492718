#include "libs/kube/lease.h"

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/text.h"
#include "libs/kube/api_error.h"

namespace oa::kube {
namespace {

using Json = nlohmann::json;

constexpr auto kReleaseTimeout = std::chrono::seconds(1);

std::optional<Time> time_at(const Object& object, std::string_view pointer) {
  const std::string_view text = object.text(pointer);
  if (text.empty()) return std::nullopt;
  const Result<Time> time = parse_time(text);
  return time ? std::optional<Time>(*time) : std::nullopt;
}

void observe(ElectionState& state, std::optional<Object> lease, Monotonic now) {
  const LeaseRecord record = lease ? read_lease(*lease) : LeaseRecord();
  if (record != state.record || lease.has_value() != state.lease.has_value())
    state.changed_at = now;
  state.record = record;
  state.lease = std::move(lease);
}

// One transition: the state is edited in place, and every path ends in the action that it returns.
struct Transition {
  ElectionState& state;
  const LeaseOptions& options;
  Monotonic now;
  Time wall;
  double random;

  ElectionAction operator()(AttemptDue) const {
    state.began_at = now;
    state.fetched = false;
    if (!state.leading) return fetch();
    if (deadline_passed()) return lose();
    return WriteLease{renewed(), false,
                      timeout()};  // the fast path: nobody else should have written
  }

  ElectionAction operator()(LeaseFetched result) const {
    observe(state, std::move(result.lease), now);
    const bool held_by_us = state.record.holder == options.identity;
    // A lease that was deleted or emptied by hand is nobody's, and taken again.
    const bool held_by_other = !state.record.holder.empty() && !held_by_us;
    if (state.leading && held_by_other) return lose();
    if (!state.lease) return WriteLease{acquired(), true, timeout()};
    if (held_by_us) return WriteLease{renewed(), false, timeout()};
    if (state.record.holder.empty() || expired()) return WriteLease{acquired(), false, timeout()};
    return AwaitAttempt{candidate_delay()};
  }

  ElectionAction operator()(LeaseWritten written) const {
    observe(state, std::move(written.lease), now);
    state.renewed_at = state.began_at;
    state.leading = true;
    return AwaitAttempt{options.retry_period};
  }

  ElectionAction operator()(const LeaseCallFailed& failed) const {
    if (!state.leading) return AwaitAttempt{candidate_delay()};
    if (deadline_passed()) return lose();
    const bool surprised =
        failed.error.code == Code::kConflict || failed.error.code == Code::kNotFound;
    if (surprised && !state.fetched) return fetch();
    return AwaitAttempt{std::min(options.retry_period, timeout())};
  }

 private:
  ElectionAction fetch() const {
    state.fetched = true;
    return FetchLease{timeout()};
  }

  ElectionAction lose() const {
    state.leading = false;
    return LeadershipLost{};
  }

  bool deadline_passed() const { return now - state.renewed_at >= options.renew_deadline; }

  // Whoever leads must know in time that it does not any more.
  Duration timeout() const {
    if (!state.leading) return options.renew_deadline;
    const auto left = state.renewed_at + options.renew_deadline - now;
    return std::max(std::chrono::duration_cast<Duration>(left),
                    Duration(std::chrono::milliseconds(1)));
  }

  bool expired() const {
    const Duration duration = state.record.duration_seconds > 0
                                  ? Duration(std::chrono::seconds(state.record.duration_seconds))
                                  : options.lease_duration;
    return now - state.changed_at > duration;
  }

  Duration candidate_delay() const {
    const double scale = 1 + options.jitter * random;
    return Duration(
        static_cast<Duration::rep>(static_cast<double>(options.retry_period.count()) * scale));
  }

  LeaseRecord renewed() const {
    LeaseRecord record = state.record;
    record.duration_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(options.lease_duration).count();
    record.renewed = wall;
    return record;
  }

  LeaseRecord acquired() const {
    LeaseRecord record = renewed();
    record.holder = options.identity;
    record.acquired = wall;
    if (state.lease) ++record.transitions;
    return record;
  }
};

}  // namespace

Result<void> validate(const LeaseOptions& options) {
  const auto invalid = [](const std::string& what) {
    return make_error(Code::kInvalidRequest, "leader election: " + what);
  };
  if (options.ns.empty() || options.name.empty() || options.identity.empty()) {
    return invalid("namespace, name and identity must be set");
  }
  if (options.retry_period <= Duration::zero() ||
      options.lease_duration < std::chrono::seconds(1)) {
    return invalid("retry period must be positive and lease duration at least 1s");
  }
  if (options.lease_duration <= options.renew_deadline) {
    return invalid("lease duration " + format_duration(options.lease_duration) +
                   " must be longer than the renew deadline " +
                   format_duration(options.renew_deadline));
  }
  if (static_cast<double>(options.renew_deadline.count()) <=
      static_cast<double>(options.retry_period.count()) * options.jitter) {
    return invalid("renew deadline " + format_duration(options.renew_deadline) +
                   " must be longer than the retry period " +
                   format_duration(options.retry_period) + " times the jitter");
  }
  return {};
}

LeaseRecord read_lease(const Object& lease) {
  return {std::string(lease.text("/spec/holderIdentity")),
          lease.integer("/spec/leaseDurationSeconds").value_or(0),
          time_at(lease, "/spec/acquireTime"), time_at(lease, "/spec/renewTime"),
          lease.integer("/spec/leaseTransitions").value_or(0)};
}

nlohmann::json write_lease(const LeaseOptions& options, const LeaseRecord& record,
                           const std::optional<Object>& base) {
  Json lease = base ? base->json()
                    : Json{{"apiVersion", api_version(kLeases)},
                           {"kind", std::string(kLeases.kind)},
                           {"metadata", {{"namespace", options.ns}, {"name", options.name}}}};
  Json& spec = lease["spec"];
  if (record.holder.empty()) {
    spec.erase("holderIdentity");
  } else {
    spec["holderIdentity"] = record.holder;
  }
  spec["leaseDurationSeconds"] = record.duration_seconds;
  spec["leaseTransitions"] = record.transitions;
  if (record.acquired) spec["acquireTime"] = format_time_micros(*record.acquired);
  if (record.renewed) spec["renewTime"] = format_time_micros(*record.renewed);
  return lease;
}

LeaseRecord released(const LeaseRecord& record, Time wall) {
  return {"", 1, wall, wall, record.transitions};
}

ElectionStep elect(ElectionState state, const LeaseOptions& options, ElectionInput input,
                   Monotonic now, Time wall, double random) {
  const Transition transition{state, options, now, wall, random};
  ElectionAction action = std::visit(
      [&](auto&& happened) -> ElectionAction {
        return transition(std::forward<decltype(happened)>(happened));
      },
      std::move(input));
  return {std::move(state), std::move(action)};
}

struct LeaderElector::Impl {
  Impl(const Client& elector_client, LeaseOptions elector_options, Callbacks elector_callbacks,
       obs::Metrics& metrics, obs::Logger elector_log)
      : client(elector_client),
        options(std::move(elector_options)),
        callbacks(std::move(elector_callbacks)),
        log(std::move(elector_log)),
        status(metrics.gauge("leader_election_master_status", "1 if this process leads.",
                             {{"name", options.name}})) {
    status.set(0);
  }

  void run(std::stop_token stop);
  ElectionInput carry_out(const FetchLease& fetch, std::stop_token stop) const;
  ElectionInput carry_out(const WriteLease& write, std::stop_token stop) const;
  ElectionInput carry_out(const AwaitAttempt& wait, std::stop_token stop) const;
  ElectionInput carry_out(const LeadershipLost&, std::stop_token) const { return AttemptDue{}; }
  Result<Object> write(const LeaseRecord& record, bool create, const CallOptions& call) const;
  CallOptions call_options(Duration timeout, std::stop_token stop) const;
  void announce(const ElectionState& before);
  void release();

  const Client& client;
  const LeaseOptions options;
  const Callbacks callbacks;
  const obs::Logger log;
  obs::Gauge& status;

  ElectionState state;  // of the thread
  std::atomic<bool> leading{false};
  std::atomic<Duration::rep> renewed_at{0};  // microseconds of the monotonic clock
  std::jthread thread;
};

CallOptions LeaderElector::Impl::call_options(Duration timeout, std::stop_token stop) const {
  CallOptions call;
  call.timeout = timeout;
  call.max_retries = 0;
  call.stop = stop;
  call.rate_limited = false;  // must not queue up behind the work that it guards
  return call;
}

Result<Object> LeaderElector::Impl::write(const LeaseRecord& record, bool create,
                                          const CallOptions& call) const {
  if (create) return client.create(kLeases, write_lease(options, record, std::nullopt), "", call);
  return client.replace(kLeases, write_lease(options, record, state.lease), "", call);
}

ElectionInput LeaderElector::Impl::carry_out(const FetchLease& fetch, std::stop_token stop) const {
  Result<Object> lease =
      client.get(kLeases, {options.ns, options.name}, call_options(fetch.timeout, stop));
  if (lease) return LeaseFetched{std::move(*lease)};
  if (lease.error().code == Code::kNotFound) return LeaseFetched{std::nullopt};
  if (!stop.stop_requested()) {
    log.warn("the lease cannot be read", {{"lease", options.name}, {"error", lease.error()}});
  }
  return LeaseCallFailed{lease.error()};
}

ElectionInput LeaderElector::Impl::carry_out(const WriteLease& wanted, std::stop_token stop) const {
  Result<Object> lease = write(wanted.record, wanted.create, call_options(wanted.timeout, stop));
  if (lease) return LeaseWritten{std::move(*lease)};
  // A conflict is somebody else being faster: the rule, not a problem.
  if (lease.error().code != Code::kConflict && !stop.stop_requested()) {
    log.warn("the lease cannot be written", {{"lease", options.name}, {"error", lease.error()}});
  }
  return LeaseCallFailed{lease.error()};
}

ElectionInput LeaderElector::Impl::carry_out(const AwaitAttempt& wait, std::stop_token stop) const {
  client.waiter().wait(wait.delay, stop);
  return AttemptDue{};
}

void LeaderElector::Impl::announce(const ElectionState& before) {
  renewed_at = std::chrono::duration_cast<Duration>(state.renewed_at.time_since_epoch()).count();
  leading = state.leading;
  status.set(state.leading ? 1 : 0);
  const bool others =
      !state.leading && !state.record.holder.empty() && state.record.holder != options.identity;
  if (others && state.record.holder != before.record.holder) {
    log.info("another process leads", {{"lease", options.name}, {"holder", state.record.holder}});
  }
  if (state.leading && !before.leading) {
    log.info("this process leads", {{"lease", options.name}, {"identity", options.identity}});
    callbacks.on_started();
  }
  if (!state.leading && before.leading) {
    log.error("this process does not lead any more",
              {{"lease", options.name}, {"holder", state.record.holder}});
    callbacks.on_lost();
  }
}

void LeaderElector::Impl::run(std::stop_token stop) {
  ElectionInput input = AttemptDue{};
  while (!stop.stop_requested()) {
    const Clock& clock = client.clock();
    const ElectionState before = state;
    ElectionStep next = elect(std::move(state), options, std::move(input), clock.monotonic(),
                              clock.now(), client.jitter()());
    state = std::move(next.state);
    announce(before);
    if (std::holds_alternative<LeadershipLost>(next.action)) return;
    input = std::visit([&](const auto& wanted) -> ElectionInput { return carry_out(wanted, stop); },
                       next.action);
  }
}

void LeaderElector::Impl::release() {
  if (!state.leading) return;
  state.leading = false;
  leading = false;
  status.set(0);
  const std::stop_source never;  // this must get through even when everything else is being stopped
  const CallOptions call = call_options(kReleaseTimeout, never.get_token());
  const Result<Object> first = write(released(state.record, client.clock().now()), false, call);
  if (first || first.error().code != Code::kConflict) return;
  // Our own last renewal may have been carried out without its answer reaching us.
  Result<Object> fresh = client.get(kLeases, {options.ns, options.name}, call);
  if (!fresh || read_lease(*fresh).holder != options.identity) return;
  state.lease = std::move(*fresh);
  (void)write(released(read_lease(*state.lease), client.clock().now()), false, call);
}

LeaderElector::LeaderElector(const Client& client, LeaseOptions options, Callbacks callbacks,
                             obs::Metrics& metrics, obs::Logger log)
    : impl_(std::make_unique<Impl>(client, std::move(options), std::move(callbacks), metrics,
                                   std::move(log))) {}

LeaderElector::~LeaderElector() { stop(); }

void LeaderElector::start() {
  impl_->thread = std::jthread([impl = impl_.get()](std::stop_token stop) { impl->run(stop); });
}

void LeaderElector::stop() {
  impl_->thread.request_stop();
  if (!impl_->thread.joinable()) return;
  impl_->thread.join();
  impl_->release();
}

bool LeaderElector::leading() const { return impl_->leading; }

bool LeaderElector::healthy() const {
  if (!impl_->leading) return true;
  const auto renewed = Monotonic(Duration(impl_->renewed_at.load()));
  return impl_->client.clock().monotonic() - renewed < impl_->options.lease_duration;
}

}  // namespace oa::kube
