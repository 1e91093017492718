// Tells users what happened to an object by events.k8s.io/v1 Events (`kubectl describe`). Repeats
// become a series on one Event; a noisy object is cut off for a while; nothing here ever blocks or
// fails the caller.
//
// `EventPlanner` is the pure core; `EventRecorder` the queue and thread around it.
//
// Thread-safety: EventPlanner none; EventRecorder can be used from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.h"
#include "libs/kube/client.h"
#include "libs/kube/object.h"

namespace oa::kube {

enum class EventType { kNormal, kWarning };

// What an event is about.
struct Reference {
  std::string api_version;
  std::string kind;
  std::string ns;
  std::string name;
  std::string uid;
  std::string resource_version;
};

Reference reference_to(const Object& object);

struct EventNote {
  Reference regarding;
  EventType type = EventType::kNormal;
  std::string reason;  // CamelCase, from a closed list: "Created", "NameConflict"
  std::string action;  // CamelCase: what was being done, "Reconcile"
  std::string note;    // for people; cut to 1 kB
};

struct EventsPolicy {
  Duration series_window = std::chrono::minutes(6);  // repeats within it join the event
  int burst = 25;                                    // events of one object at once, ...
  Duration refill = std::chrono::minutes(5);         // ... and one more per this time
  std::size_t max_tracked = 4096;  // series and objects remembered; the oldest are forgotten
  std::size_t max_queued = 256;
};

class EventPlanner {
 public:
  EventPlanner(EventsPolicy policy, std::string reporting_controller,
               std::string reporting_instance)
      : policy_(policy),
        controller_(std::move(reporting_controller)),
        instance_(std::move(reporting_instance)) {}

  // The Event to create, or the merge patch {name, body} that counts a repeat; nullopt: dropped as
  // spam.
  struct Write {
    bool create = true;
    ObjectKey key;
    std::string document;  // JSON
  };
  std::optional<Write> plan(const EventNote& note, Time now);

  // The series' event is gone (it expired on the server): the next repeat creates a new one.
  void forget(const ObjectKey& event);

 private:
  using SeriesKey = std::tuple<std::string, std::string, std::string, std::string, int>;
  struct Series {
    ObjectKey event;
    int count = 1;
    Time last;
  };
  struct Bucket {
    double tokens;
    Time filled;
  };

  bool allowed(const std::string& uid, Time now);

  EventsPolicy policy_;
  std::string controller_;
  std::string instance_;
  std::uint64_t next_ = 0;
  std::map<SeriesKey, Series> series_;
  std::map<std::string, Bucket> buckets_;  // by UID of the object
};

class EventRecorder {
 public:
  // `client` must outlive the recorder. `controller` is "openagents.com/operator", `instance` the
  // pod's name. Metric: openagents_events_dropped_total{cause}.
  EventRecorder(const Client& client, std::string controller, std::string instance,
                obs::Metrics& metrics, obs::Logger log, EventsPolicy policy = {});
  ~EventRecorder();  // stops

  void start();
  // Never blocks; a full queue drops the event and counts it.
  void record(EventNote note);
  // What is queued is sent for at most `limit`, the rest dropped.
  void stop(Duration limit = std::chrono::seconds(1));

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oa::kube
