// Keeping up with one resource by list and watch, as an explicit state machine: what happened goes
// in, what to do next and what changed come out. `reflector.h` is the thread around it.
//
// Rules kept here: the resource version to go on from comes only from list metadata, events and
// bookmarks, never from listed items; 410 lists again from the latest; 429 and refused connections
// watch again from the same version without a list; a watch that ends at once without an event
// counts as a failure.
//
// Thread-safety: pure functions over plain values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "libs/kube/backoff.h"
#include "libs/kube/object.h"
#include "libs/kube/request.h"

namespace oa::kube {

// What happened.

struct Started {};  // also: a wait is over
struct PageReceived {
  std::string resource_version;
  std::string continue_token;  // empty on the last page
  std::vector<Object> items;
};
struct ListFailed {
  Error error;
};
struct WatchOpened {};
struct WatchFailed {  // it could not be opened
  Error error;
  Duration retry_after{};
};
struct EventReceived {
  std::string
      type;  // ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or something that future servers send
  Object object;
};
struct WatchEnded {  // by the server (no error), or by a lost or idle connection, or by bytes that
                     // are no events
  std::optional<Error> error;
};

using WatcherInput = std::variant<Started, PageReceived, ListFailed, WatchOpened, WatchFailed,
                                  EventReceived, WatchEnded>;

// What to do next.

struct FetchPage {
  ListOptions options;
};
struct OpenWatch {  // answered by WatchOpened or WatchFailed
  WatchOptions options;
  Duration idle_limit;  // silence longer than this means that the connection is dead
};
struct ReadWatch {};  // answered by EventReceived or WatchEnded
struct Wait {         // answered by Started
  Duration delay;
};

using WatcherAction = std::variant<FetchPage, OpenWatch, ReadWatch, Wait>;

// What changed.

struct ListBegan {};  // forget a list that was begun and not completed
struct ItemsListed {
  std::vector<Object> items;
};
struct ListCompleted {  // what was listed since ListBegan is all there is
  std::string resource_version;
};
struct Upserted {
  Object object;
};
struct Deleted {
  Object object;  // its last state, with a newer resource version
};
struct Progressed {  // a bookmark: nothing older than this is still to come
  std::string resource_version;
};

using WatcherChange =
    std::variant<ListBegan, ItemsListed, ListCompleted, Upserted, Deleted, Progressed>;

// The machine.

struct WatcherOptions {
  int page_size = 500;
  int min_timeout_seconds = 300;
  int max_timeout_seconds = 600;
  Duration idle_margin = std::chrono::seconds(5);  // idle limit = the watch's timeout + this
  int max_internal_errors = 3;  // ERROR 500 in a row that are answered by watching again
  Duration short_watch = std::chrono::seconds(1);
  BackoffPolicy backoff{std::chrono::milliseconds(800), std::chrono::seconds(30), 2, 1.0,
                        std::chrono::minutes(2)};
};

// For metrics.
struct WatcherCounters {
  std::uint64_t lists = 0;  // complete ones
  std::uint64_t watches = 0;
  std::uint64_t unknown_events = 0;
};

struct WatcherState {
  explicit WatcherState(WatcherOptions watcher_options)
      : options(watcher_options), backoff(watcher_options.backoff) {}

  enum class Phase {
    kList,
    kWatch
  };  // what an action in flight, or the next one after a wait, is about

  WatcherOptions options;
  Phase phase = Phase::kList;
  Backoff backoff;

  // Where to go on from; empty before the first list and after a 410. Never that of a listed item.
  std::string resource_version;

  // The list under way.
  std::string list_version;  // the version that all of its pages have; empty before the first page
  std::string continue_token;
  bool whole = false;  // without pages: a later page had expired

  // The watch under way.
  Monotonic watch_began{};
  bool watch_had_event = false;
  int internal_errors = 0;

  WatcherCounters counters;
  std::string last_failure;  // of the last list or watch; empty after a success
};

struct WatcherStep {
  WatcherState state;
  std::vector<WatcherChange> changes;
  WatcherAction action;
};

// `random` in [0, 1) spreads time-outs and back-off.
WatcherStep step(WatcherState state, WatcherInput input, Monotonic now, double random);

}  // namespace oa::kube
