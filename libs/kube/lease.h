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
// A whole Lease object; `resource_version` empty: to be created.
nlohmann::json write_lease(const LeaseOptions& options, const LeaseRecord& record,
                           std::string_view resource_version);

// What a candidate knows.
struct ElectionState {
  bool leading = false;
  std::optional<LeaseRecord> record;  // as last seen; nullopt: none seen
  std::string resource_version;
  Monotonic changed_at{};  // when this process first saw that record: expiry counts from here
  Monotonic renewed_at{};  // the last renewal of our own, counted from before it was sent
};

// What was learned from the server.
ElectionState observe(ElectionState state, const std::optional<Object>& lease, Monotonic now);

// What to write now, if anything.
struct Attempt {
  enum class Kind { kNothing, kCreate, kUpdate } kind = Kind::kNothing;
  LeaseRecord record;
};
Attempt elect(const ElectionState& state, const LeaseOptions& options, Monotonic now, Time wall);

// What gives the lease up: nobody holds it, for one second.
LeaseRecord released(const LeaseRecord& record, Time wall);

class LeaderElector {
 public:
  struct Callbacks {
    std::function<void()> on_started;  // this process leads now
    std::function<void()> on_lost;     // it does not any more: stop working, then exit
    std::function<void(const std::string& holder)> on_leader;  // somebody else leads; may be empty
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
