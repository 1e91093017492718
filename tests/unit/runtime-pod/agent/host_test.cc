#include "runtime-pod/agent/host.h"

#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "libs/obs/metrics.h"
#include "libs/obs/system_clock.h"
#include "runtime-pod/handlers/notebook.h"
#include "runtime-pod/storage/store.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/agent/fakes.h"

namespace oa::runtime {
namespace {

using std::chrono::seconds;

// A host on a real store, with real workers.
class HostTest : public testing::Test {
 protected:
  HostTest() {
    const obs::Logger log("test", {.sink = [](std::string_view) {}}, clock);
    store =
        Store::open({.directory = dir.file("data"), .seal = test::no_seal}, {}, clock, nullptr, log)
            .value();
    scheduler = make_thread_scheduler(2, clock);
    services = std::unique_ptr<ActorServices>(
        new ActorServices{clock, *scheduler, store->commits(), store->reader(),
                          [this](const AgentSpec&) -> Handler& { return handler; }, metrics, ids,
                          log, store->epoch()});
    host.emplace(HostOptions{.max_awake_bytes = 1}, *services, gate, store->reader());
  }
  ~HostTest() override {
    store->close();
    scheduler.reset();
    host.reset();
    store.reset();
  }

  static Agent agent(const std::string& name, const char* spec = "{}") {
    return parse_agent(Json{{"apiVersion", "openagents.com/v1"},
                            {"kind", "Agent"},
                            {"metadata", {{"name", name}}},
                            {"spec", Json::parse(spec)}})
        .value();
  }
  Result<PutResult> put(const Agent& one, PutMode mode = PutMode::kApply) {
    std::promise<Result<PutResult>> promise;
    host->put(one, mode, "", [&](Result<PutResult> result) { promise.set_value(result); });
    return promise.get_future().get();
  }
  Result<void> remove(const std::string& name) {
    std::promise<Result<void>> promise;
    host->remove({"default", name}, [&](Result<void> result) { promise.set_value(result); });
    return promise.get_future().get();
  }
  std::future<Result<TickReport>> send(const std::string& name, std::string text) {
    auto promise = std::make_shared<std::promise<Result<TickReport>>>();
    Delivery delivery{.agent = {"default", name}, .bytes = text.size(), .patience = seconds(60)};
    delivery.trigger.envelope.payload.data = std::move(text);
    host->deliver(std::move(delivery),
                  [promise](Result<TickReport> report) { promise->set_value(std::move(report)); });
    return promise->get_future();
  }
  Result<TickReport> run(const std::string& name, std::string text) {
    return send(name, std::move(text)).get();
  }

  oa::test::TempDir dir;
  const obs::SystemClock clock;
  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids{1};
  NotebookHandler handler;
  InputGate gate{1024 * 1024, nullptr};
  std::unique_ptr<Store> store;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<ActorServices> services;
  std::optional<Host> host;
};

TEST_F(HostTest, delivers_to_agents_that_exist) {
  EXPECT_EQ(run("a", "x").error().code, Code::kNotFound);
  ASSERT_TRUE(put(agent("a")));
  EXPECT_EQ(run("a", "remember milk")->reply.body, R"("noted: milk")");
}

TEST_F(HostTest, creates_once_and_says_what_is_different) {
  EXPECT_TRUE(put(agent("a"), PutMode::kCreate)->created);
  const auto again = put(agent("a"), PutMode::kCreate);
  EXPECT_FALSE(again->created);
  const auto other = put(agent("a", R"({"replicas": 0})"), PutMode::kCreate);
  EXPECT_EQ(other.error().reason, "AlreadyExists");
  const auto applied = put(agent("a", R"({"replicas": 0})"));
  ASSERT_TRUE(applied);
  EXPECT_EQ(applied->row.uid, again->row.uid);
}

TEST_F(HostTest, puts_a_new_spec_into_effect_for_an_awake_agent) {
  ASSERT_TRUE(put(agent("a")));
  ASSERT_TRUE(run("a", "one"));
  ASSERT_TRUE(put(agent("a", R"({"replicas": 0})")));
  EXPECT_EQ(run("a", "two").error().reason, "Suspended");
  ASSERT_TRUE(put(agent("a", R"({"config": {"maxStorageBytes": "64Ki"}})")));
  EXPECT_EQ(run("a", "big 100000").error().reason, "StorageLimit");
}

TEST_F(HostTest, forgets_a_deleted_agent_altogether) {
  ASSERT_TRUE(put(agent("a")));
  ASSERT_TRUE(run("a", "secret"));
  ASSERT_TRUE(remove("a"));
  EXPECT_EQ(run("a", "list").error().code, Code::kNotFound);
  EXPECT_EQ(remove("a").error().code, Code::kNotFound);
  ASSERT_TRUE(put(agent("a")));
  EXPECT_EQ(run("a", "list")->reply.body, "[]");
}

TEST_F(HostTest, answers_what_waits_for_an_agent_that_is_deleted) {
  ASSERT_TRUE(put(agent("a")));
  std::vector<std::future<Result<TickReport>>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(send("a", "note"));
  ASSERT_TRUE(remove("a"));
  for (auto& answer : answers) {
    const auto result = answer.get();
    EXPECT_TRUE(result.ok() || result.error().code == Code::kNotFound) << result.error().detail;
  }
}

// The memory bound of one byte makes each arrival push somebody out: every agent is loaded again
// and again, while no note is lost and none is written by two actors at once.
TEST_F(HostTest, loses_nothing_when_agents_come_and_go) {  // I1
  constexpr int kAgents = 8;
  constexpr int kNotes = 50;
  for (int i = 0; i < kAgents; ++i) ASSERT_TRUE(put(agent("a" + std::to_string(i))));
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < kNotes; ++i) {
        const std::string name = "a" + std::to_string((i * 3 + client) % kAgents);
        const auto report = run(name, "note " + std::to_string(client) + "." + std::to_string(i));
        EXPECT_TRUE(report) << report.error().detail;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  std::size_t notes = 0;
  for (int i = 0; i < kAgents; ++i)
    notes += Json::parse(run("a" + std::to_string(i), "list")->reply.body).size();
  EXPECT_EQ(notes, 4u * kNotes);
}

TEST_F(HostTest, takes_nothing_while_its_gate_is_shut) {
  ASSERT_TRUE(put(agent("a")));
  gate.close(InputGate::Reason::kDraining, make_error(Code::kUnavailable, "Draining", "stopping"));
  EXPECT_EQ(run("a", "x").error().reason, "Draining");
}

}  // namespace
}  // namespace oa::runtime
