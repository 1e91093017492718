#include "libs/kube/lease.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "libs/kube/api_error.h"
#include "tests/support/kube_client.h"

namespace oa::kube {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const LeaseOptions kOptions{"ns", "operator", "me"};
const Time kWall = *parse_time("2026-11-21T08:00:00Z");

Object lease(const std::string& holder, const std::string& renewed = "2026-11-21T07:59:59.000000Z",
             int duration = 15, int transitions = 3, const std::string& version = "7") {
  json spec{{"leaseDurationSeconds", duration},
            {"leaseTransitions", transitions},
            {"acquireTime", "2026-11-21T07:00:00.000000Z"},
            {"renewTime", renewed}};
  if (!holder.empty()) spec["holderIdentity"] = holder;
  return Object(json{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata",
                      {{"namespace", "ns"},
                       {"name", "operator"},
                       {"resourceVersion", version},
                       {"labels", {{"x", "y"}}}}},
                     {"spec", spec}});
}

std::string describe(const ElectionAction& action) {
  struct Describe {
    std::string operator()(const FetchLease& f) const {
      return "fetch within " + format_duration(f.timeout);
    }
    std::string operator()(const WriteLease& w) const {
      return std::string(w.create ? "create " : "write ") + w.record.holder +
             " transitions=" + std::to_string(w.record.transitions) + " within " +
             format_duration(w.timeout);
    }
    std::string operator()(const AwaitAttempt& w) const {
      return "wait " + format_duration(w.delay);
    }
    std::string operator()(const LeadershipLost&) const { return "lost"; }
  };
  return std::visit(Describe(), action);
}

struct Candidate {
  ElectionState state;
  Monotonic now{1h};
  Time wall = kWall;
  double random = 0;
  ElectionAction action{LeadershipLost{}};

  std::string operator()(ElectionInput input, Duration elapsed = 0s) {
    now += elapsed;
    wall += elapsed;
    ElectionStep next = elect(std::move(state), kOptions, std::move(input), now, wall, random);
    state = std::move(next.state);
    action = next.action;
    return describe(action);
  }

  LeaseRecord written() const { return std::get<WriteLease>(action).record; }

  static Candidate leader() {
    Candidate c;
    c(AttemptDue{});
    c(LeaseFetched{std::nullopt});
    c(LeaseWritten{lease("me", "2026-11-21T08:00:00.000000Z", 15, 0)});
    EXPECT_TRUE(c.state.leading);
    return c;
  }
};

const Error kRace = make_error(Code::kConflict, "Conflict", "the object has been modified");
const Error kDown =
    make_error(Code::kUnavailable, std::string(reason::kConnectionRefused), "refused");

TEST(Election, creates_a_lease_that_does_not_exist) {
  Candidate c;
  EXPECT_EQ(c(AttemptDue{}), "fetch within 10s");
  EXPECT_EQ(c(LeaseFetched{std::nullopt}), "create me transitions=0 within 10s");
  EXPECT_EQ(c.written().acquired, kWall);
  EXPECT_EQ(c.written().duration_seconds, 15);
  EXPECT_EQ(c(LeaseWritten{lease("me")}), "wait 2s");
  EXPECT_TRUE(c.state.leading);
}

TEST(Election, waits_when_another_was_faster) {
  Candidate c;
  c(AttemptDue{});
  c(LeaseFetched{std::nullopt});
  EXPECT_EQ(c(LeaseCallFailed{kRace}), "wait 2s");
  EXPECT_FALSE(c.state.leading);
}

TEST(Election, takes_a_lease_that_nobody_holds_at_once) {
  Candidate c;
  c(AttemptDue{});
  EXPECT_EQ(c(LeaseFetched{lease("")}), "write me transitions=4 within 10s");
}

TEST(Election, waits_with_jitter_while_another_holds_the_lease) {
  Candidate c;
  c.random = 0.5;
  c(AttemptDue{});
  EXPECT_EQ(c(LeaseFetched{lease("other")}), "wait 3s200ms");
}

TEST(Election, judges_expiry_by_its_own_clock_from_the_last_change_it_saw) {
  Candidate c;
  c(AttemptDue{});
  // The times inside the record are an hour old; what counts is that it was first seen now.
  EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T06:00:00.000000Z")}), "wait 2s");
  c(AttemptDue{}, 14s);
  EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T06:00:00.000000Z")}), "wait 2s");
  c(AttemptDue{}, 2s);
  EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T06:00:00.000000Z")}),
            "write me transitions=4 within 10s");
}

TEST(Election, counts_anew_whenever_the_holder_renews) {
  Candidate c;
  for (int i = 10; i < 40; i += 10) {
    c(AttemptDue{}, 10s);
    EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T07:00:" + std::to_string(i) + ".000000Z")}),
              "wait 2s");
  }
}

TEST(Election, goes_by_the_duration_in_the_record) {
  Candidate c;
  c(AttemptDue{});
  c(LeaseFetched{lease("other", "2026-11-21T07:59:59.000000Z", 60)});
  c(AttemptDue{}, 30s);
  EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T07:59:59.000000Z", 60)}), "wait 2s");
  c(AttemptDue{}, 31s);
  EXPECT_EQ(c(LeaseFetched{lease("other", "2026-11-21T07:59:59.000000Z", 60)}),
            "write me transitions=4 within 10s");
}

TEST(Election, is_not_moved_by_jumps_of_the_wall_clock) {
  for (const Duration jump : {Duration(1h), Duration(-1h)}) {
    Candidate c;
    c(AttemptDue{});
    c(LeaseFetched{lease("other")});
    c.wall += jump;
    c(AttemptDue{}, 5s);
    EXPECT_EQ(c(LeaseFetched{lease("other")}), "wait 2s");
    Candidate leader = Candidate::leader();
    leader.wall += jump;
    EXPECT_EQ(leader(AttemptDue{}, 2s), "write me transitions=0 within 8s");
  }
}

TEST(Election, takes_up_a_lease_that_it_holds_already) {
  Candidate c;
  c(AttemptDue{});
  EXPECT_EQ(c(LeaseFetched{lease("me")}), "write me transitions=3 within 10s");
  c(LeaseWritten{lease("me")});
  EXPECT_TRUE(c.state.leading);
}

TEST(Election, renews_without_asking_first) {
  Candidate c = Candidate::leader();
  EXPECT_EQ(c(AttemptDue{}, 2s), "write me transitions=0 within 8s");
  EXPECT_EQ(c.written().renewed, kWall + 2s);
  EXPECT_EQ(c.written().acquired, *parse_time("2026-11-21T07:00:00Z")) << "as it was";
  EXPECT_EQ(c(LeaseWritten{lease("me")}), "wait 2s");
}

TEST(Election, asks_when_the_fast_renewal_meets_a_conflict) {
  Candidate c = Candidate::leader();
  c(AttemptDue{}, 2s);
  EXPECT_EQ(c(LeaseCallFailed{kRace}), "fetch within 8s");
  EXPECT_EQ(c(LeaseFetched{lease("me", "2026-11-21T08:00:02.000000Z", 15, 0, "9")}),
            "write me transitions=0 within 8s");
  EXPECT_EQ(c(LeaseCallFailed{kRace}), "wait 2s") << "once per attempt";
}

TEST(Election, loses_when_another_holds_its_lease) {
  Candidate c = Candidate::leader();
  c(AttemptDue{}, 2s);
  c(LeaseCallFailed{kRace});
  EXPECT_EQ(c(LeaseFetched{lease("other")}), "lost");
  EXPECT_FALSE(c.state.leading);
}

TEST(Election, takes_its_lease_again_when_it_was_emptied_or_deleted_by_hand) {
  Candidate emptied = Candidate::leader();
  emptied(AttemptDue{}, 2s);
  emptied(LeaseCallFailed{kRace});
  EXPECT_EQ(emptied(LeaseFetched{lease("")}), "write me transitions=4 within 8s");
  Candidate deleted = Candidate::leader();
  deleted(AttemptDue{}, 2s);
  EXPECT_EQ(deleted(LeaseCallFailed{make_error(Code::kNotFound, "x")}), "fetch within 8s");
  EXPECT_EQ(deleted(LeaseFetched{std::nullopt}), "create me transitions=0 within 8s");
}

TEST(Election, keeps_trying_until_the_renew_deadline_and_then_loses) {
  Candidate c = Candidate::leader();
  EXPECT_EQ(c(AttemptDue{}, 2s), "write me transitions=0 within 8s");
  EXPECT_EQ(c(LeaseCallFailed{kDown}, 1s), "wait 2s");
  EXPECT_EQ(c(AttemptDue{}, 2s), "write me transitions=0 within 5s");
  EXPECT_EQ(c(LeaseCallFailed{kDown}, 4s), "wait 1s") << "no later than the deadline";
  EXPECT_EQ(c(AttemptDue{}, 1s), "lost");
}

TEST(Election, loses_when_the_answer_takes_longer_than_the_deadline) {
  Candidate c = Candidate::leader();
  c(AttemptDue{}, 2s);
  EXPECT_EQ(c(LeaseCallFailed{make_error(Code::kTimeout, "x")}, 8s), "lost");
}

TEST(Election, counts_a_renewal_from_before_it_was_sent) {
  Candidate c = Candidate::leader();
  c(AttemptDue{}, 2s);
  c(LeaseWritten{lease("me")}, 3s);
  EXPECT_EQ(c(AttemptDue{}, 2s), "write me transitions=3 within 5s");
}

TEST(Election, goes_on_asking_without_the_right_to_see_leases) {
  Candidate c;
  c(AttemptDue{});
  EXPECT_EQ(c(LeaseCallFailed{make_error(Code::kUnauthorized, "Forbidden", "x")}), "wait 2s");
  EXPECT_EQ(c(AttemptDue{}, 2s), "fetch within 10s");
}

TEST(Lease, is_written_with_microseconds_and_keeps_what_others_put_there) {
  const LeaseRecord record{"me", 15, kWall, kWall + 1500us, 4};
  const json written = write_lease(kOptions, record, lease("other"));
  EXPECT_EQ(written["spec"]["renewTime"], "2026-11-21T08:00:00.001500Z");
  EXPECT_EQ(written["spec"]["acquireTime"], "2026-11-21T08:00:00.000000Z");
  EXPECT_EQ(written["metadata"]["resourceVersion"], "7");
  EXPECT_EQ(written["metadata"]["labels"]["x"], "y");
  EXPECT_EQ(read_lease(Object(written)), record);
}

TEST(Lease, is_released_by_an_absent_holder_for_one_second) {
  const json written = write_lease(kOptions, released(read_lease(lease("me")), kWall), lease("me"));
  EXPECT_FALSE(written["spec"].contains("holderIdentity"));
  EXPECT_EQ(written["spec"]["leaseDurationSeconds"], 1);
  EXPECT_EQ(written["spec"]["leaseTransitions"], 3);
}

TEST(LeaseOptions, must_be_in_order) {
  EXPECT_TRUE(validate(kOptions));
  const auto with = [](auto change) {
    LeaseOptions options = kOptions;
    change(options);
    return validate(options);
  };
  EXPECT_FALSE(with([](LeaseOptions& o) { o.identity.clear(); }));
  EXPECT_FALSE(with([](LeaseOptions& o) { o.lease_duration = 10s; }));
  EXPECT_FALSE(with([](LeaseOptions& o) { o.renew_deadline = 2s; }));
  EXPECT_FALSE(with([](LeaseOptions& o) { o.retry_period = 0s; }));
}

const char* const kLeasePath = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";

std::string put() { return "PUT " + std::string(kLeasePath) + "/operator?fieldValidation=Strict"; }
std::string post() { return "POST " + std::string(kLeasePath) + "?fieldValidation=Strict"; }
std::string get() { return "GET " + std::string(kLeasePath) + "/operator"; }

struct Calls {
  std::mutex mutex;
  std::condition_variable changed;
  int started = 0;
  int lost = 0;

  LeaderElector::Callbacks callbacks() {
    return {[this] { count(started); }, [this] { count(lost); }};
  }
  void count(int& number) {
    std::lock_guard lock(mutex);
    ++number;
    changed.notify_all();
  }
  bool wait(const int& number) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 30s, [&] { return number > 0; });
  }
};

TEST(LeaderElector, leads_and_gives_the_lease_up_when_stopped) {
  test::ScriptedClient client(
      {{get(), test::answer(404)},
       {post(), test::answer(201, lease("me").json().dump())},
       {put(), test::Hang{}},
       {put(), test::answer(200, lease("").json().dump()), [](const HttpRequest& r) {
          EXPECT_EQ(r.body.find("holderIdentity"), std::string::npos) << r.body;
        }}});
  Calls calls;
  LeaderElector elector(*client.client, kOptions, calls.callbacks(), client.metrics, client.log);
  EXPECT_FALSE(elector.leading());
  elector.start();
  ASSERT_TRUE(calls.wait(calls.started));
  client.transport->wait_played(3);
  EXPECT_TRUE(elector.leading());
  EXPECT_TRUE(elector.healthy());
  EXPECT_NE(client.metrics.text().find("leader_election_master_status{name=\"operator\"} 1"),
            std::string::npos);
  client.clock.advance(15s);
  EXPECT_FALSE(elector.healthy()) << "its renewal hangs";
  elector.stop();
  EXPECT_EQ(calls.lost, 0);
  EXPECT_NE(client.metrics.text().find("leader_election_master_status{name=\"operator\"} 0"),
            std::string::npos);
}

TEST(LeaderElector, reports_the_loss_of_its_lease_and_ends) {
  test::ScriptedClient client({{get(), test::answer(200, lease("").json().dump())},
                               {put(), test::answer(200, lease("me").json().dump())},
                               {put(), test::answer(409)},
                               {get(), test::answer(200, lease("other").json().dump())}});
  Calls calls;
  LeaderElector elector(*client.client, kOptions, calls.callbacks(), client.metrics, client.log);
  elector.start();
  ASSERT_TRUE(calls.wait(calls.lost));
  EXPECT_FALSE(elector.leading());
  elector.stop();
}

TEST(LeaderElector, releases_although_its_last_renewal_was_not_answered) {
  test::ScriptedClient client(
      {{get(), test::answer(404)},
       {post(), test::answer(201, lease("me").json().dump())},
       {put(), test::Hang{}},
       {put(), test::answer(409)},
       {get(),
        test::answer(200, lease("me", "2026-11-21T08:00:09.000000Z", 15, 3, "8").json().dump())},
       {put(), test::answer(200, lease("").json().dump())}});
  Calls calls;
  LeaderElector elector(*client.client, kOptions, calls.callbacks(), client.metrics, client.log);
  elector.start();
  client.transport->wait_played(3);
  elector.stop();
}

TEST(LeaderElector, stops_at_once_while_it_waits_for_an_answer) {
  test::ScriptedClient client({{get(), test::Hang{}}});
  Calls calls;
  LeaderElector elector(*client.client, kOptions, calls.callbacks(), client.metrics, client.log);
  elector.start();
  client.transport->wait_played();
  elector.stop();
  EXPECT_EQ(calls.started + calls.lost, 0);
}

}  // namespace
}  // namespace oa::kube
