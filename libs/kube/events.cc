#include "libs/kube/events.h"

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "core/text.h"
#include "libs/kube/api_error.h"

namespace oa::kube {
namespace {

constexpr std::size_t kMaxNote = 1024;
constexpr auto kCallTimeout = std::chrono::seconds(10);

std::string type_name(EventType type) { return type == EventType::kNormal ? "Normal" : "Warning"; }

// Unique per object, time and recorder; as short as client-go's.
std::string event_name(const std::string& object, Time now, std::uint64_t number) {
  char suffix[48];
  std::snprintf(suffix, sizeof suffix, ".%llx.%llx",
                static_cast<unsigned long long>(now.time_since_epoch().count()),
                static_cast<unsigned long long>(number));
  return object + suffix;
}

// Makes room in a map of things that are remembered only while they are recent.
template <typename Map, typename Recent>
void make_room(Map& map, std::size_t limit, Recent recent) {
  if (map.size() < limit) return;
  std::erase_if(map, [&](const auto& item) { return !recent(item.second); });
  if (map.size() >= limit) map.clear();
}

}  // namespace

Reference reference_to(const Object& object) {
  return {std::string(object.api_version()), std::string(object.kind()),
          std::string(object.ns()),          std::string(object.name()),
          std::string(object.uid()),         std::string(object.resource_version())};
}

bool EventPlanner::allowed(const std::string& uid, Time now) {
  make_room(buckets_, policy_.max_tracked,
            [&](const Bucket& b) { return now - b.filled < policy_.refill * policy_.burst; });
  Bucket& bucket =
      buckets_.try_emplace(uid, Bucket{static_cast<double>(policy_.burst), now}).first->second;
  const double earned = std::chrono::duration<double>(now - bucket.filled) /
                        std::chrono::duration<double>(policy_.refill);
  bucket.tokens =
      std::min(bucket.tokens + std::max(earned, 0.0), static_cast<double>(policy_.burst));
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

std::optional<EventPlanner::Write> EventPlanner::plan(const EventNote& note, Time now) {
  const std::string text = shorten(note.note, kMaxNote);
  const SeriesKey series_key{note.regarding.uid, note.reason, note.action, text,
                             static_cast<int>(note.type)};
  const auto known = series_.find(series_key);
  const bool repeat = known != series_.end() && now - known->second.last < policy_.series_window;
  if (repeat) {
    // Counted even when it is not written now: the next write carries the whole count.
    known->second.last = now;
    ++known->second.count;
  }
  if (!allowed(note.regarding.uid, now)) return std::nullopt;
  if (repeat) {
    const Json patch{
        {"series",
         {{"count", known->second.count}, {"lastObservedTime", format_time_micros(now)}}}};
    return Write{false, known->second.event, dump(patch)};
  }

  const std::string ns = note.regarding.ns.empty() ? "default" : note.regarding.ns;
  const ObjectKey key{ns, event_name(note.regarding.name, now, ++next_)};
  make_room(series_, policy_.max_tracked,
            [&](const Series& s) { return now - s.last < policy_.series_window; });
  series_[series_key] = Series{key, 1, now};
  const Json event{{"apiVersion", api_version(kEvents)},
                   {"kind", std::string(kEvents.kind)},
                   {"metadata", {{"namespace", key.ns}, {"name", key.name}}},
                   {"eventTime", format_time_micros(now)},
                   {"reportingController", controller_},
                   {"reportingInstance", shorten(instance_, 128)},
                   {"action", note.action},
                   {"reason", note.reason},
                   {"type", type_name(note.type)},
                   {"note", text},
                   {"regarding",
                    {{"apiVersion", note.regarding.api_version},
                     {"kind", note.regarding.kind},
                     {"namespace", note.regarding.ns},
                     {"name", note.regarding.name},
                     {"uid", note.regarding.uid},
                     {"resourceVersion", note.regarding.resource_version}}}};
  return Write{true, key, dump(event)};
}

void EventPlanner::forget(const ObjectKey& event) {
  std::erase_if(series_, [&](const auto& item) { return item.second.event == event; });
}

struct EventRecorder::Impl {
  Impl(const Client& recorder_client, std::string controller, std::string instance,
       obs::Metrics& metrics, obs::Logger recorder_log, EventsPolicy events_policy)
      : client(recorder_client),
        policy(events_policy),
        planner(policy, std::move(controller), std::move(instance)),
        log(std::move(recorder_log)),
        dropped_full(dropped(metrics, "queue_full")),
        dropped_spam(dropped(metrics, "too_many")),
        dropped_failed(dropped(metrics, "write_failed")) {}

  static obs::Counter& dropped(obs::Metrics& metrics, const char* cause) {
    return metrics.counter("openagents_events_dropped_total",
                           "Kubernetes Events that were not written.", {{"cause", cause}});
  }

  void run(std::stop_token stop);
  void send(const EventNote& note, std::stop_token stop);
  Result<void> write(const EventPlanner::Write& write, std::stop_token stop) const;

  const Client& client;
  const EventsPolicy policy;
  EventPlanner planner;  // of the thread
  const obs::Logger log;
  obs::Counter& dropped_full;
  obs::Counter& dropped_spam;
  obs::Counter& dropped_failed;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<EventNote> queue;
  bool closing = false;   // send what is queued, then end
  bool finished = false;  // the thread has ended
  std::jthread thread;
};

Result<void> EventRecorder::Impl::write(const EventPlanner::Write& planned,
                                        std::stop_token stop) const {
  CallOptions call;
  call.timeout = kCallTimeout;
  call.max_retries = 2;
  call.stop = stop;
  const Json document = Json::parse(planned.document);
  const Result<Object> written =
      planned.create
          ? client.create(kEvents, document, "", call)
          : client.patch(kEvents, planned.key, PatchType::kMerge, document, "", "", call);
  if (!written) return written.error();
  return {};
}

void EventRecorder::Impl::send(const EventNote& note, std::stop_token stop) {
  std::optional<EventPlanner::Write> planned = planner.plan(note, client.clock().now());
  if (!planned) {
    dropped_spam.add();
    return;
  }
  Result<void> result = write(*planned, stop);
  if (!result && !planned->create && result.error().code == Code::kNotFound) {
    planner.forget(planned->key);  // events expire on the server after an hour
    planned = planner.plan(note, client.clock().now());
    if (planned) result = write(*planned, stop);
  }
  if (!result) {
    if (planned) planner.forget(planned->key);
    dropped_failed.add();
    log.debug("an event could not be written",
              {{"reason", note.reason}, {"error", result.error()}});
  }
}

void EventRecorder::Impl::run(std::stop_token stop) {
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (!changed.wait(lock, stop, [this] { return closing || !queue.empty(); })) break;
    if (queue.empty()) break;
    const EventNote note = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    send(note, stop);
    lock.lock();
  }
  finished = true;
  changed.notify_all();
}

EventRecorder::EventRecorder(const Client& client, std::string controller, std::string instance,
                             obs::Metrics& metrics, obs::Logger log, EventsPolicy policy)
    : impl_(std::make_unique<Impl>(client, std::move(controller), std::move(instance), metrics,
                                   std::move(log), policy)) {}

EventRecorder::~EventRecorder() { stop(Duration::zero()); }

void EventRecorder::start() {
  impl_->thread = std::jthread([impl = impl_.get()](std::stop_token stop) { impl->run(stop); });
}

void EventRecorder::record(EventNote note) {
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->closing || impl_->queue.size() >= impl_->policy.max_queued) {
      impl_->dropped_full.add();
      return;
    }
    impl_->queue.push_back(std::move(note));
  }
  impl_->changed.notify_one();
}

void EventRecorder::stop(Duration limit) {
  if (!impl_->thread.joinable()) return;
  {
    std::unique_lock lock(impl_->mutex);
    impl_->closing = true;
    impl_->changed.notify_all();
    impl_->changed.wait_for(lock, limit, [this] { return impl_->finished; });
  }
  impl_->thread.request_stop();
  impl_->thread.join();
}

}  // namespace oa::kube
