// What becomes of an envelope whose handler ends the process.
#include <atomic>
#include <future>

#include <gtest/gtest.h>

#include "libs/obs/metrics.h"
#include "libs/obs/system_clock.h"
#include "runtime-pod/agent/host.h"
#include "runtime-pod/storage/store.h"
#include "tests/support/eventually.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/runtime-pod/agent/fakes.h"

namespace oa::runtime {
namespace {

// Never comes back.
class StuckHandler : public Handler {
 public:
  std::string_view name() const override { return "stuck"; }
  void run(TickInput, std::function<void(TickOutcome)>) override { ++started; }

  std::atomic<int> started{0};
};

const AgentId kId{"default", "a"};

// One process after another on the same directory.
struct Process {
  explicit Process(const std::string& directory, Handler& handler) {
    const obs::Logger log("test", {.sink = [](std::string_view) {}}, clock);
    store = Store::open({.directory = directory, .seal = test::no_seal}, {}, clock, nullptr, log)
                .value();
    scheduler = make_thread_scheduler(2, clock);
    services = std::unique_ptr<ActorServices>(
        new ActorServices{clock, *scheduler, store->commits(), store->reader(),
                          [&handler](const AgentSpec&) -> Handler& { return handler; }, metrics,
                          ids, log, store->epoch()});
    host.emplace(HostOptions{}, *services, gate, store->reader());
  }
  ~Process() {
    store->close();
    scheduler.reset();
    host.reset();
    store.reset();
  }

  AgentKey wake() {
    std::promise<AgentKey> key;
    host->find(kId,
               [&key](Result<std::shared_ptr<Actor>> actor) { key.set_value((*actor)->key()); });
    return key.get_future().get();
  }
  std::vector<Item> dead_letters(AgentKey agent) {
    return store->reader()
        .list_items(agent, ItemKind::kDeadLetter, "", "", 10, Values::kInclude)
        .value()
        .items;
  }

  const obs::SystemClock clock;
  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids{1};
  InputGate gate{1024 * 1024, nullptr};
  std::unique_ptr<Store> store;
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<ActorServices> services;
  std::optional<Host> host;
};

TEST(CrashLoop, ends_in_the_dead_letters) {  // I3
  const oa::test::TempDir dir;
  StuckHandler handler;
  {
    Process first(dir.file("data"), handler);
    std::promise<void> put;
    first.host->put(parse_agent(Json{{"apiVersion", "openagents.com/v1"},
                                     {"kind", "Agent"},
                                     {"metadata", {{"name", "a"}}},
                                     {"spec", {{"config", {{"retry", {{"maxAttempts", 2}}}}}}}})
                        .value(),
                    PutMode::kApply, "", [&put](auto) { put.set_value(); });
    put.get_future().get();
    std::promise<Result<void>> taken;
    Dispatch message{.agent = kId};
    message.trigger.type = TriggerType::kMessage;
    message.trigger.envelope.id = "e";
    message.trigger.envelope.payload.data = "deadly";
    first.host->dispatch(std::move(message), [&taken](auto result) { taken.set_value(result); });
    ASSERT_TRUE(taken.get_future().get());
    ASSERT_TRUE(oa::test::eventually([&] { return handler.started == 1; }));
  }
  for (int restart = 1; restart <= 2; ++restart) {
    Process next(dir.file("data"), handler);
    const AgentKey agent = next.wake();
    ASSERT_TRUE(oa::test::eventually([&] { return handler.started == 1 + restart; }));
    EXPECT_TRUE(next.dead_letters(agent).empty());
  }
  Process last(dir.file("data"), handler);
  const AgentKey agent = last.wake();
  ASSERT_TRUE(oa::test::eventually([&] { return last.dead_letters(agent).size() == 1; }));
  const auto row = decode_dead_letter(last.dead_letters(agent)[0].value);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->reason, "CrashLoop");
  EXPECT_EQ(row->trigger.envelope.id, "e");
  EXPECT_EQ(handler.started, 3);
}

}  // namespace
}  // namespace oa::runtime
