#include "libs/kube/watcher.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"

namespace oa::kube {
namespace {

using Phase = WatcherState::Phase;

// One transition: the state is edited in place, and every path ends in the action that it returns.
struct Transition {
  WatcherState& state;
  std::vector<WatcherChange>& changes;
  Monotonic now;
  double random;

  WatcherAction operator()(Started) const {
    if (state.phase == Phase::kWatch) return open_watch();
    return state.continue_token.empty() ? begin_list() : fetch_page();
  }

  WatcherAction operator()(PageReceived page) const {
    if (!page.resource_version.empty()) state.list_version = page.resource_version;
    if (!page.items.empty()) changes.push_back(ItemsListed{std::move(page.items)});
    state.continue_token = std::move(page.continue_token);
    if (!state.continue_token.empty()) return fetch_page();
    changes.push_back(ListCompleted{state.list_version});
    state.resource_version = state.list_version;
    state.whole = false;
    state.internal_errors = 0;
    state.last_failure.clear();
    ++state.counters.lists;
    state.phase = Phase::kWatch;
    return open_watch();
  }

  WatcherAction operator()(ListFailed failed) const {
    const bool later_page = !state.continue_token.empty();
    const bool expired = failed.error.reason == reason::kExpired;
    if (expired && later_page && !state.whole) {
      // The server forgot the version that the pages were of: one list without pages instead.
      state.whole = true;
      return begin_list();
    }
    // A passing failure asks for the same page again.
    if (!failed.error.retryable) state.continue_token.clear();
    if (expired || failed.error.reason == reason::kVersionTooLarge) state.resource_version.clear();
    return back_off(failed.error);
  }

  WatcherAction operator()(WatchOpened) const { return ReadWatch{}; }

  WatcherAction operator()(const WatchFailed& failed) const {
    const Error& error = failed.error;
    if (error.reason == reason::kExpired || error.reason == reason::kVersionTooLarge) {
      return list_from_latest(error);
    }
    // Too many requests, a refused or lost connection, an idle time-out: a list would only add to
    // the load. What else is wrong (403, 404, 400) a list may mend or tell more about.
    const bool passing = error.retryable;
    if (!passing) state.phase = Phase::kList;
    return back_off(error, failed.retry_after);
  }

  WatcherAction operator()(EventReceived event) const {
    if (event.type == "ERROR") return error_event(decode_status(event.object.json()));
    const bool bookmark = event.type == "BOOKMARK";
    const bool deleted = event.type == "DELETED";
    if (!bookmark && !deleted && event.type != "ADDED" && event.type != "MODIFIED") {
      ++state.counters.unknown_events;
      return ReadWatch{};
    }
    state.watch_had_event = true;
    state.internal_errors = 0;
    state.last_failure.clear();
    const std::string_view version = event.object.resource_version();
    if (!version.empty()) state.resource_version = version;
    if (bookmark) {
      changes.push_back(Progressed{state.resource_version});
    } else if (deleted) {
      changes.push_back(Deleted{std::move(event.object)});
    } else {
      changes.push_back(Upserted{std::move(event.object)});
    }
    return ReadWatch{};
  }

  WatcherAction operator()(const WatchEnded& ended) const {
    // The server ends every watch after its time-out, and a connection may be lost at any moment:
    // neither is a failure of a watch that worked, and both go on from the last version. Only one
    // that ended at once is.
    const bool at_once =
        !state.watch_had_event && now - state.watch_began < state.options.short_watch;
    if (at_once) {
      return back_off(ended.error.value_or(make_error(Code::kUnavailable, "ShortWatch",
                                                      "the watch ended at once without an event")));
    }
    if (ended.error && !ended.error->retryable) {
      // Bytes that are no events would come again; a list gets past them.
      state.phase = Phase::kList;
      return back_off(*ended.error);
    }
    return open_watch();
  }

 private:
  WatcherAction error_event(const Error& error) const {
    if (error.reason == reason::kExpired || error.reason == reason::kVersionTooLarge) {
      return list_from_latest(error);
    }
    if (error.code == Code::kRateLimited) return back_off(error);
    if (error.code == Code::kUnavailable &&
        ++state.internal_errors <= state.options.max_internal_errors) {
      return back_off(error);
    }
    state.internal_errors = 0;
    state.phase = Phase::kList;
    return back_off(error);
  }

  WatcherAction begin_list() const {
    state.phase = Phase::kList;
    state.continue_token.clear();
    state.list_version.clear();
    changes.emplace_back(ListBegan{});
    return fetch_page();
  }

  WatcherAction fetch_page() const {
    ListOptions options;
    options.continue_token = state.continue_token;
    options.resource_version = state.resource_version;
    // A list "not older than" is served from the API server's cache, which ignores a limit anyway.
    const bool from_cache = !state.resource_version.empty();
    options.limit = from_cache || state.whole ? 0 : state.options.page_size;
    return FetchPage{std::move(options)};
  }

  WatcherAction open_watch() const {
    const WatcherOptions& o = state.options;
    WatchOptions options;
    options.resource_version = state.resource_version;
    options.timeout_seconds =
        o.min_timeout_seconds +
        static_cast<int>(random * (o.max_timeout_seconds - o.min_timeout_seconds + 1));
    options.timeout_seconds = std::min(options.timeout_seconds, o.max_timeout_seconds);
    // The clock starts before the request is sent: some proxies withhold the head until the first
    // event.
    state.watch_began = now;
    state.watch_had_event = false;
    ++state.counters.watches;
    const Duration idle_limit = std::chrono::seconds(options.timeout_seconds) + o.idle_margin;
    return OpenWatch{std::move(options), idle_limit};
  }

  // The version is gone or not there yet, so the next list asks for whatever is newest. Not at
  // once: a server that refuses every version must not be asked in a loop.
  WatcherAction list_from_latest(const Error& error) const {
    state.phase = Phase::kList;
    state.resource_version.clear();
    state.last_failure = error.detail;
    if (state.watch_had_event) return begin_list();
    return back_off(error);
  }

  WatcherAction back_off(const Error& error, Duration at_least = {}) const {
    state.last_failure = error.detail;
    return Wait{std::max(state.backoff.next(now, random), at_least)};
  }
};

}  // namespace

WatcherStep step(WatcherState state, WatcherInput input, Monotonic now, double random) {
  std::vector<WatcherChange> changes;
  const Transition transition{state, changes, now, random};
  WatcherAction action = std::visit(
      [&](auto&& happened) -> WatcherAction {
        return transition(std::forward<decltype(happened)>(happened));
      },
      std::move(input));
  return {std::move(state), std::move(changes), std::move(action)};
}

}  // namespace oa::kube
