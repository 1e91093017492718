#include "libs/kube/reflector.h"

#include <malloc.h>
#include <stop_token>
#include <utility>

#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"
#include "libs/kube/watch_frames.h"

namespace oa::kube {

struct Reflector::Impl {
  Impl(const Client& reflector_client, Resource reflector_resource, Selection reflector_selection,
       Store& reflector_store, Callback reflector_callback, obs::Metrics& metrics,
       obs::Logger reflector_log)
      : client(reflector_client),
        resource(reflector_resource),
        selection(std::move(reflector_selection)),
        store(reflector_store),
        writer(store.writer(selection.ns)),
        callback(std::move(reflector_callback)),
        log(std::move(reflector_log)),
        lists(metrics.counter("openagents_kube_lists_total",
                              "Complete lists of a watched resource.",
                              {{"resource", std::string(resource.plural)}})),
        watches(metrics.counter("openagents_kube_watches_total", "Watches opened.",
                                {{"resource", std::string(resource.plural)}})),
        unknown(metrics.counter("openagents_kube_unknown_events_total",
                                "Watch events of a type that this version does not know.",
                                {{"resource", std::string(resource.plural)}})) {}

  void run(std::stop_token stop, WatcherState state);
  WatcherInput dispatch(const WatcherAction& action, std::stop_token stop);
  WatcherInput carry_out(const FetchPage& fetch, std::stop_token stop) const;
  WatcherInput carry_out(const OpenWatch& open, std::stop_token stop);
  WatcherInput carry_out(const ReadWatch&, std::stop_token stop);
  WatcherInput carry_out(const Wait& wait, std::stop_token stop) const;
  WatcherInput end_watch(std::optional<Error> error);
  void publish(const WatcherChange& change, std::stop_token stop);
  void report(const WatcherCounters& before, const WatcherState& after,
              const WatcherAction& action);

  const Client& client;
  const Resource resource;
  const Selection selection;
  Store& store;
  StoreWriter writer;
  const Callback callback;
  const obs::Logger log;
  obs::Counter& lists;
  obs::Counter& watches;
  obs::Counter& unknown;

  // The watch under way.
  std::unique_ptr<Stream> stream;
  WatchFrames frames;
  Duration idle_limit{};

  WatcherOptions options;
  std::jthread thread;
};

WatcherInput Reflector::Impl::carry_out(const FetchPage& fetch, std::stop_token stop) const {
  CallOptions call;
  call.timeout = std::chrono::seconds(60);
  call.stop = stop;
  Result<ListPage> page = client.list(resource, selection, fetch.options, store.projection(), call);
  if (!page) return ListFailed{page.error()};
  return PageReceived{std::move(page->resource_version), std::move(page->continue_token),
                      std::move(page->items)};
}

WatcherInput Reflector::Impl::carry_out(const OpenWatch& open, std::stop_token stop) {
  WatchStart start = client.watch(resource, selection, open.options, open.idle_limit, stop);
  if (!start.stream) return WatchFailed{std::move(start.error), start.retry_after};
  stream = std::move(start.stream);
  frames = WatchFrames();
  idle_limit = open.idle_limit;
  return WatchOpened{};
}

WatcherInput Reflector::Impl::end_watch(std::optional<Error> error) {
  stream.reset();
  frames = WatchFrames();
  return WatchEnded{std::move(error)};
}

WatcherInput Reflector::Impl::carry_out(const ReadWatch&, std::stop_token) {
  while (true) {
    const auto document = frames.next();
    if (!document) return end_watch(document.error());
    if (*document) {
      nlohmann::json event = nlohmann::json::parse(**document, nullptr, false);
      if (!event.is_object() || !event.contains("object") || !event["object"].is_object()) {
        return end_watch(make_error(Code::kInvalidRequest, "a watch event must have an object"));
      }
      std::string type = event.value("type", "");
      nlohmann::json object = std::move(event["object"]);
      if (type != "ERROR") store.projection()(object);
      return EventReceived{std::move(type), Object(std::move(object))};
    }
    const Result<std::string> bytes = stream->read(idle_limit);
    if (!bytes) return end_watch(bytes.error());
    if (bytes->empty()) {
      if (frames.at_boundary()) return end_watch(std::nullopt);
      return end_watch(make_error(Code::kUnavailable, std::string(reason::kConnectionLost),
                                  "the watch ended in the middle of an event"));
    }
    frames.feed(*bytes);
  }
}

WatcherInput Reflector::Impl::carry_out(const Wait& wait, std::stop_token stop) const {
  client.waiter().wait(wait.delay, stop);
  return Started{};
}

WatcherInput Reflector::Impl::dispatch(const WatcherAction& action, std::stop_token stop) {
  // Whatever comes next, a watch that is not read any more is closed.
  if (!std::holds_alternative<ReadWatch>(action)) stream.reset();
  return std::visit([&](const auto& wanted) -> WatcherInput { return carry_out(wanted, stop); },
                    action);
}

void Reflector::Impl::publish(const WatcherChange& change, std::stop_token stop) {
  for (const StoreChange& stored : writer.apply(change)) {
    if (stop.stop_requested()) return;
    if (callback) callback(stored);
  }
  // Parsing a list leaves the heap full of holes; what is free goes back to the system.
  if (std::holds_alternative<ListCompleted>(change)) malloc_trim(0);
}

void Reflector::Impl::report(const WatcherCounters& before, const WatcherState& after,
                             const WatcherAction& action) {
  lists.add(static_cast<double>(after.counters.lists - before.lists));
  watches.add(static_cast<double>(after.counters.watches - before.watches));
  unknown.add(static_cast<double>(after.counters.unknown_events - before.unknown_events));
  if (const auto* wait = std::get_if<Wait>(&action)) {
    log.warn("the list or watch failed and is tried again",
             {{"resource", resource.plural},
              {"error", after.last_failure},
              {"seconds", std::chrono::duration<double>(wait->delay).count()}});
  }
}

void Reflector::Impl::run(std::stop_token stop, WatcherState state) {
  WatcherInput input = Started{};
  while (!stop.stop_requested()) {
    const WatcherCounters before = state.counters;
    WatcherStep next =
        step(std::move(state), std::move(input), client.clock().monotonic(), client.jitter()());
    state = std::move(next.state);
    for (const WatcherChange& change : next.changes) publish(change, stop);
    if (stop.stop_requested()) break;
    report(before, state, next.action);
    input = dispatch(next.action, stop);
  }
  stream.reset();
}

Reflector::Reflector(const Client& client, Resource resource, Selection selection, Store& store,
                     Callback callback, obs::Metrics& metrics, obs::Logger log,
                     WatcherOptions options)
    : impl_(std::make_unique<Impl>(client, resource, std::move(selection), store,
                                   std::move(callback), metrics, std::move(log))) {
  impl_->options = options;
}

Reflector::~Reflector() { stop(); }

void Reflector::start() {
  impl_->thread = std::jthread(
      [impl = impl_.get()](std::stop_token stop) { impl->run(stop, WatcherState(impl->options)); });
}

void Reflector::stop() {
  impl_->thread.request_stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace oa::kube
