// Leader election by a coordination.k8s.io/v1 Lease: one of several processes leads at a time, as
// far as clocks allow.
//
// A lease that somebody else holds counts as expired when this process has not seen it change for
// its duration on its own monotonic clock; the times inside the record are never compared. Election
// is no fence: who loses must stop its work before anything else, and exits.
//
// `elect` is the pure core; `LeaderElector` the thread around it.
//
// Thread-safety: LeaderElector can be used from any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "core/result.h"
#include "libs/kube/client.h"
#include "libs/kube/object.h"

namespace oa::kube {

struct LeaseOptions {
  std::string ns;
  std::string name;
  std::string identity;  // unique per process, e.g. pod name and UID
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  double jitter = 1.2;  // a candidate waits retry_period * (1 + jitter * random)
};

// INVALID_REQUEST unless lease_duration > renew_deadline > retry_period * jitter, and all are set.
Result<void> validate(const LeaseOptions& options);

// The part of a Lease that election is about.
struct LeaseRecord {
  std::string holder;  // empty: nobody
  std::int64_t duration_seconds = 0;
  std::optional<Time> acquired;
  std::optional<Time> renewed;
  std::int64_t transitions = 0;

  bool operator==(const LeaseRecord&) const = default;
};

LeaseRecord read_lease(const Object& lease);
// `base` with the record in it: what others have put there stays. nullopt: a new Lease.
nlohmann::json write_lease(const LeaseOptions& options, const LeaseRecord& record,
                           const std::optional<Object>& base);
// What gives the lease up: nobody holds it, for one second.
LeaseRecord released(const LeaseRecord& record, Time wall);

// What a candidate knows.
struct ElectionState {
  bool leading = false;
  std::optional<Object> lease;  // as last seen
  LeaseRecord record;           // its record; empty without a lease
  Monotonic changed_at{};       // when this process first saw that record: expiry counts from here
  Monotonic began_at{};         // the attempt under way
  Monotonic renewed_at{};       // the beginning of the last attempt that wrote the lease
  bool fetched = false;         // the attempt under way has asked for the lease
};

// What happened.
struct AttemptDue {};  // the wait is over
struct LeaseFetched {
  std::optional<Object> lease;  // nullopt: there is none
};
struct LeaseWritten {
  Object lease;
};
struct LeaseCallFailed {
  Error error;
};
using ElectionInput = std::variant<AttemptDue, LeaseFetched, LeaseWritten, LeaseCallFailed>;

// What to do.
struct FetchLease {
  Duration timeout;
};
struct WriteLease {
  LeaseRecord record;
  bool create = false;
  Duration timeout;
};
struct AwaitAttempt {
  Duration delay;
};
struct LeadershipLost {};  // the end
using ElectionAction = std::variant<FetchLease, WriteLease, AwaitAttempt, LeadershipLost>;

struct ElectionStep {
  ElectionState state;
  ElectionAction action;
};

// `random` in [0, 1) spreads the candidates.
ElectionStep elect(ElectionState state, const LeaseOptions& options, ElectionInput input,
                   Monotonic now, Time wall, double random);

class LeaderElector {
 public:
  struct Callbacks {
    std::function<void()> on_started;  // this process leads now
    std::function<void()> on_lost;     // it does not any more: stop working, then exit
  };

  // `client` must outlive the elector. Callbacks run on the elector's thread.
  // Metric: leader_election_master_status{name}.
  LeaderElector(const Client& client, LeaseOptions options, Callbacks callbacks,
                obs::Metrics& metrics, obs::Logger log);
  ~LeaderElector();  // stops

  void start();
  // Ends the loop and gives the lease up if held. Call it after the work that needs leadership has
  // stopped. on_lost does not run.
  void stop();

  bool leading() const;
  // False if this process leads and its renew loop has not come round for a lease duration: for the
  // liveness probe.
  bool healthy() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oa::kube
