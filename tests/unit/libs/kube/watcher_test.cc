#include "libs/kube/watcher.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "libs/kube/api_error.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using namespace std::chrono_literals;

Object object(const std::string& name, const std::string& version) {
  return Object(json{{"metadata", {{"name", name}, {"resourceVersion", version}}}});
}

EventReceived event(const std::string& type, const std::string& name, const std::string& version) {
  return {type, object(name, version)};
}

EventReceived error_event(int code, const std::string& status_reason) {
  return {"ERROR",
          Object(json{
              {"kind", "Status"}, {"code", code}, {"reason", status_reason}, {"message", "m"}})};
}

Error api_error(int status, const std::string& status_reason = {}) {
  return decode_error(status,
                      json{{"kind", "Status"}, {"reason", status_reason}, {"message", "m"}}.dump(),
                      "GET", "/x");
}

std::string describe(const WatcherAction& action) {
  struct Describe {
    std::string operator()(const FetchPage& f) const {
      return "list limit=" + std::to_string(f.options.limit) + " rv=" + f.options.resource_version +
             " continue=" + f.options.continue_token;
    }
    std::string operator()(const OpenWatch& o) const {
      return "watch rv=" + o.options.resource_version;
    }
    std::string operator()(const ReadWatch&) const { return "read"; }
    std::string operator()(const Wait& w) const { return "wait " + std::to_string(w.delay / 1ms); }
  };
  return std::visit(Describe(), action);
}

std::string describe(const WatcherChange& change) {
  struct Describe {
    std::string operator()(const ListBegan&) const { return "begin"; }
    std::string operator()(const ItemsListed& l) const {
      std::string names = "items";
      for (const Object& o : l.items) names += " " + std::string(o.name());
      return names;
    }
    std::string operator()(const ListCompleted& c) const {
      return "complete " + c.resource_version;
    }
    std::string operator()(const Upserted& u) const {
      return "upsert " + std::string(u.object.name());
    }
    std::string operator()(const Deleted& d) const {
      return "delete " + std::string(d.object.name());
    }
    std::string operator()(const Progressed& p) const { return "progress " + p.resource_version; }
  };
  return std::visit(Describe(), change);
}

// Drives the machine and writes down what it wants.
struct Machine {
  WatcherState state{WatcherOptions{}};
  Monotonic now{Monotonic(1h)};
  double random = 0;
  WatcherAction action{ReadWatch{}};
  std::vector<std::string> changes;

  std::string operator()(WatcherInput input, Duration elapsed = 0s) {
    now += elapsed;
    WatcherStep next = step(std::move(state), std::move(input), now, random);
    state = std::move(next.state);
    for (const WatcherChange& change : next.changes) changes.push_back(describe(change));
    action = next.action;
    return describe(action);
  }

  // Listed at 10 and watching.
  static Machine watching() {
    Machine machine;
    machine(Started{});
    machine(PageReceived{"10", "", {}});
    machine(WatchOpened{});
    machine.changes.clear();
    return machine;
  }
};

TEST(Watcher, lists_the_latest_in_pages_and_watches_from_the_list) {
  Machine m;
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
  EXPECT_EQ(m(PageReceived{"10", "c1", {object("a", "9999")}}), "list limit=500 rv= continue=c1");
  EXPECT_EQ(m(PageReceived{"10", "c2", {}}), "list limit=500 rv= continue=c2")
      << "an empty page is legal";
  EXPECT_EQ(m(PageReceived{"10", "", {object("b", "3")}}), "watch rv=10")
      << "never from an item's version";
  EXPECT_THAT(m.changes, ElementsAre("begin", "items a", "items b", "complete 10"));
  EXPECT_EQ(m(WatchOpened{}), "read");
}

TEST(Watcher, takes_the_version_from_whichever_page_has_it) {
  Machine m;
  m(Started{});
  m(PageReceived{"", "c1", {}});
  EXPECT_EQ(m(PageReceived{"12", "", {}}), "watch rv=12");
}

TEST(Watcher, passes_events_on_and_moves_its_version) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(event("ADDED", "a", "11")), "read");
  EXPECT_EQ(m(event("MODIFIED", "a", "12")), "read");
  EXPECT_EQ(m(event("DELETED", "a", "13")), "read");
  EXPECT_EQ(m(event("BOOKMARK", "", "20")), "read");
  EXPECT_THAT(m.changes, ElementsAre("upsert a", "upsert a", "delete a", "progress 20"));
  EXPECT_EQ(m(WatchEnded{}, 5min), "watch rv=20") << "a resume uses the bookmark";
}

TEST(Watcher, resumes_from_the_last_event_without_any_bookmark) {
  Machine m = Machine::watching();
  m(event("MODIFIED", "a", "15"));
  EXPECT_EQ(m(WatchEnded{}, 5min), "watch rv=15");
  EXPECT_THAT(m.changes, ElementsAre("upsert a"));
}

TEST(Watcher, ignores_and_counts_types_that_it_does_not_know) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(event("SURPRISE", "a", "99")), "read");
  EXPECT_EQ(m.state.counters.unknown_events, 1U);
  EXPECT_EQ(m(WatchEnded{}, 5min), "watch rv=10");
  EXPECT_TRUE(m.changes.empty());
}

TEST(Watcher, spreads_its_time_outs_and_allows_for_silence) {
  const auto opened = [](double random) {
    Machine m;
    m.random = random;
    m(Started{});
    m(PageReceived{"10", "", {}});
    return std::get<OpenWatch>(m.action);
  };
  EXPECT_EQ(opened(0).options.timeout_seconds, 300);
  EXPECT_EQ(opened(0.5).options.timeout_seconds, 450);
  EXPECT_EQ(opened(0.999999).options.timeout_seconds, 600);
  EXPECT_EQ(opened(0).idle_limit, 305s);
}

TEST(Watcher, resumes_a_watch_whose_connection_was_lost_or_fell_silent) {
  for (const std::string_view why : {reason::kConnectionLost, reason::kIdleTimeout}) {
    Machine m = Machine::watching();
    m(event("MODIFIED", "a", "15"));
    EXPECT_EQ(m(WatchEnded{make_error(Code::kUnavailable, std::string(why), "x")}, 305s),
              "watch rv=15");
  }
}

TEST(Watcher, backs_off_when_a_watch_ends_at_once_without_an_event) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(WatchEnded{}, 999ms), "wait 800");
  EXPECT_EQ(m(Started{}, 800ms), "watch rv=10");
  m(WatchOpened{});
  EXPECT_EQ(m(WatchEnded{}, 1s), "watch rv=10") << "a second is long enough";
}

TEST(Watcher, does_not_back_off_when_a_short_watch_had_an_event) {
  Machine m = Machine::watching();
  m(event("BOOKMARK", "", "11"));
  EXPECT_EQ(m(WatchEnded{}, 10ms), "watch rv=11");
}

TEST(Watcher, lists_again_after_410_in_the_stream) {
  Machine m = Machine::watching();
  m(event("MODIFIED", "a", "15"));
  EXPECT_EQ(m(error_event(410, "Expired")), "list limit=500 rv= continue=")
      << "from the latest, not from 15";
  EXPECT_THAT(m.changes, ElementsAre("upsert a", "begin"));
  EXPECT_EQ(m(PageReceived{"30", "", {}}), "watch rv=30");
}

TEST(Watcher, knows_410_of_old_servers_by_its_code) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(error_event(410, "Gone")), "wait 800");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
}

TEST(Watcher, backs_off_before_listing_when_410_is_all_that_a_watch_says) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(error_event(410, "Expired")), "wait 800");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
  m(PageReceived{"30", "", {}});
  EXPECT_EQ(m(WatchFailed{api_error(410, "Expired")}), "wait 1600");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
}

TEST(Watcher, lists_the_latest_when_the_server_is_behind_the_version) {
  Machine m = Machine::watching();
  Error error = api_error(504);
  error.reason = reason::kVersionTooLarge;
  m(WatchFailed{error});
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
}

TEST(Watcher, watches_again_without_a_list_after_429_and_refused_connections) {
  const Error rows[] = {
      api_error(429), make_error(Code::kUnavailable, std::string(reason::kConnectionRefused), "x"),
      make_error(Code::kUnavailable, std::string(reason::kConnectionLost), "x"), api_error(503)};
  for (const Error& error : rows) {
    Machine m = Machine::watching();
    m(WatchEnded{}, 5min);
    EXPECT_EQ(m(WatchFailed{error}), "wait 800") << to_string(error);
    EXPECT_EQ(m(Started{}), "watch rv=10") << to_string(error);
  }
}

TEST(Watcher, honours_retry_after_of_a_refused_watch) {
  Machine m = Machine::watching();
  m(WatchEnded{}, 5min);
  EXPECT_EQ(m(WatchFailed{api_error(429), 7s}), "wait 7000");
}

TEST(Watcher, watches_again_without_a_list_after_429_in_the_stream) {
  Machine m = Machine::watching();
  EXPECT_EQ(m(error_event(429, "TooManyRequests")), "wait 800");
  EXPECT_EQ(m(Started{}), "watch rv=10");
}

TEST(Watcher, watches_again_a_bounded_number_of_times_after_500_in_the_stream) {
  Machine m = Machine::watching();
  for (int i = 0; i < 3; ++i) {
    m(error_event(500, "InternalError"));
    EXPECT_EQ(m(Started{}), "watch rv=10") << i;
    m(WatchOpened{});
  }
  m(error_event(500, "InternalError"));
  EXPECT_EQ(m(Started{}), "list limit=0 rv=10 continue=");
}

TEST(Watcher, forgets_internal_errors_after_an_event) {
  Machine m = Machine::watching();
  for (int i = 0; i < 10; ++i) {
    m(event("BOOKMARK", "", "1" + std::to_string(i)));
    m(error_event(500, "InternalError"));
    EXPECT_EQ(m(Started{}), "watch rv=1" + std::to_string(i));
    m(WatchOpened{});
  }
}

TEST(Watcher, lists_from_the_cache_when_it_has_a_version) {
  Machine m = Machine::watching();
  m(WatchFailed{api_error(403, "Forbidden")});
  EXPECT_EQ(m(Started{}), "list limit=0 rv=10 continue=");
  EXPECT_EQ(m(ListFailed{api_error(403, "Forbidden")}), "wait 1600");
  EXPECT_EQ(m(Started{}), "list limit=0 rv=10 continue=");
}

TEST(Watcher, fetches_the_whole_list_when_a_later_page_has_expired) {
  Machine m;
  m(Started{});
  m(PageReceived{"10", "c1", {object("a", "1")}});
  EXPECT_EQ(m(ListFailed{api_error(410, "Expired")}), "list limit=0 rv= continue=");
  EXPECT_EQ(m(PageReceived{"11", "", {object("a", "1"), object("b", "2")}}), "watch rv=11");
  EXPECT_THAT(m.changes, ElementsAre("begin", "items a", "begin", "items a b", "complete 11"));
}

TEST(Watcher, backs_off_when_the_first_page_has_expired) {
  Machine m;
  m(Started{});
  EXPECT_EQ(m(ListFailed{api_error(410, "Expired")}), "wait 800");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
}

TEST(Watcher, asks_for_the_same_page_again_after_a_passing_failure) {
  Machine m;
  m(Started{});
  m(PageReceived{"10", "c1", {object("a", "1")}});
  EXPECT_EQ(m(ListFailed{api_error(503)}), "wait 800");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=c1");
  EXPECT_EQ(m(PageReceived{"10", "", {}}), "watch rv=10");
  EXPECT_THAT(m.changes, ElementsAre("begin", "items a", "complete 10"));
}

TEST(Watcher, waits_for_a_resource_that_does_not_exist_yet) {
  Machine m;
  m(Started{});
  EXPECT_EQ(m(ListFailed{api_error(404, "NotFound")}), "wait 800");
  EXPECT_EQ(m(Started{}), "list limit=500 rv= continue=");
  EXPECT_EQ(m(PageReceived{"10", "", {}}), "watch rv=10");
}

TEST(Watcher, lists_when_the_stream_holds_no_events) {
  Machine m = Machine::watching();
  m(WatchEnded{make_error(Code::kInvalidRequest, "a watch event must be a JSON object")}, 2s);
  EXPECT_EQ(m(Started{}), "list limit=0 rv=10 continue=");
}

TEST(Watcher, backs_off_twice_as_long_each_time_up_to_its_limit_with_jitter) {
  Machine m;
  m(Started{});
  std::vector<std::string> waits;
  for (int i = 0; i < 8; ++i) {
    waits.push_back(m(ListFailed{api_error(503)}));
    m(Started{});
  }
  EXPECT_THAT(waits, ElementsAre("wait 800", "wait 1600", "wait 3200", "wait 6400", "wait 12800",
                                 "wait 25600", "wait 30000", "wait 30000"));
  m.random = 0.5;
  EXPECT_EQ(m(ListFailed{api_error(503)}), "wait 45000");
}

TEST(Watcher, begins_to_back_off_anew_after_two_quiet_minutes) {
  Machine m = Machine::watching();
  m(WatchEnded{}, 5min);
  m(WatchFailed{api_error(503)});
  m(Started{});
  EXPECT_EQ(m(WatchFailed{api_error(503)}, 119s), "wait 1600");
  m(Started{});
  EXPECT_EQ(m(WatchFailed{api_error(503)}, 120s), "wait 800");
}

}  // namespace
}  // namespace oa::kube
