#include "runtime-pod/sockets/hub.h"

#include <deque>

#include <gtest/gtest.h>

#include "libs/obs/metrics.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/runtime-pod/agent/fakes.h"

namespace oa::runtime {
namespace {

using std::chrono::seconds;

// A WebSocket that keeps what it is told.
class HeldSocket : public net::WebSocket {
 public:
  bool send(std::string data, bool binary) override {
    said.push_back((binary ? "bytes " : "text ") + data);
    return true;
  }
  void close(std::uint16_t code, std::string reason) override {
    said.push_back("close " + std::to_string(code) + " " + reason);
  }
  std::size_t buffered() const override { return 0; }
  void on_message(std::function<void(std::string, bool)> one) override { message = std::move(one); }
  void on_closed(std::function<void(std::uint16_t, std::string)> one) override {
    closed = std::move(one);
  }
  void pause_reading(bool paused) override { is_paused = paused; }

  // As the server does at the end.
  void end(std::uint16_t code) {
    if (!closed) return;
    const auto told = std::exchange(closed, nullptr);
    message = nullptr;
    told(code, "");
  }

  std::vector<std::string> said;
  bool is_paused = false;
  std::function<void(std::string, bool)> message;
  std::function<void(std::uint16_t, std::string)> closed;
};

class SocketHubTest : public testing::Test {
 protected:
  struct Told {
    AgentKey agent;
    Trigger trigger;
    std::vector<ItemWrite> items;
    std::function<void(Result<void>)> done;
  };

  SocketWorld world() {
    return {.clock = clock,
            .scheduler = scheduler,
            .ids = ids,
            .open = metrics.sockets,
            .log = log,
            .deliver =
                [this](Delivery one, Answered answered) {
                  delivered.emplace_back(std::move(one), std::move(answered));
                },
            .dispatch =
                [this](Dispatch one, std::function<void(Result<void>)> taken) {
                  dispatched.emplace_back(std::move(one), std::move(taken));
                },
            .tell =
                [this](AgentKey agent, Trigger trigger, std::vector<ItemWrite> items,
                       std::function<void(Result<void>)> done) {
                  told.push_back({agent, std::move(trigger), std::move(items), std::move(done)});
                },
            .append =
                [this](const AgentId&, std::vector<ItemWrite> items,
                       std::function<void(Result<Committed>)> done) {
                  appended.emplace_back(std::move(items), std::move(done));
                },
            .get_item = [this](AgentKey, ItemKind, const std::string&) { return stored; },
            .patience = seconds(60)};
  }

  // What is still open is held by its callbacks, which the server lets go of at the end.
  ~SocketHubTest() override {
    for (const auto& socket : sockets) socket->end(1006);
  }

  // A connection that stands; its id.
  std::string connect(const std::shared_ptr<HeldSocket>& socket) {
    sockets.push_back(socket);
    SocketHub::Opened opened;
    hub.open(kAgent, 1, "", [&](Result<SocketHub::Opened> one) { opened = *one; });
    const std::string id = dispatched.back().first.trigger.envelope.sender;
    dispatched.back().second({});
    dispatched.pop_back();
    opened(socket);
    return id;
  }

  static Result<TickReport> reply(std::string body) {
    TickReport report;
    report.reply.body = std::move(body);
    return report;
  }

  const AgentId kAgent{"default", "a"};
  std::vector<std::shared_ptr<HeldSocket>> sockets;
  oa::test::ManualClock clock;
  test::HeldScheduler scheduler{clock};
  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids{1};
  const obs::Logger log{"test", {.sink = [](std::string_view) {}}, clock};
  std::deque<std::pair<Delivery, Answered>> delivered;
  std::deque<std::pair<Dispatch, std::function<void(Result<void>)>>> dispatched;
  std::deque<Told> told;
  std::deque<std::pair<std::vector<ItemWrite>, std::function<void(Result<Committed>)>>> appended;
  Result<std::optional<Item>> stored{std::optional<Item>()};
  SocketHub hub{world()};
};

TEST_F(SocketHubTest, a_connection_and_its_row_are_durable_before_the_client_is_let_in) {
  bool is_in = false;
  hub.open(kAgent, 1, "00-trace", [&](const Result<SocketHub::Opened>& one) { is_in = !!one; });
  ASSERT_EQ(dispatched.size(), 1u);
  const Dispatch& connect = dispatched[0].first;
  EXPECT_EQ(connect.trigger.envelope.payload.json["event"], "connect");
  ASSERT_EQ(connect.items.size(), 1u);
  EXPECT_EQ(connect.items[0].kind, ItemKind::kSocket);
  EXPECT_TRUE(connect.items[0].due);
  EXPECT_FALSE(is_in);
  dispatched[0].second({});
  EXPECT_TRUE(is_in);
}

TEST_F(SocketHubTest, a_client_that_is_refused_or_has_gone_is_forgotten) {
  Code code{};
  hub.open(kAgent, 1, "", [&](const Result<SocketHub::Opened>& one) { code = one.error().code; });
  dispatched[0].second(make_error(Code::kConflict, "Suspended", "the agent is suspended"));
  EXPECT_EQ(code, Code::kConflict);
  EXPECT_TRUE(told.empty());

  hub.open(kAgent, 1, "", [](const Result<SocketHub::Opened>&) {});  // drops what it is given
  dispatched[1].second({});
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].trigger.envelope.payload.json["code"], 1006);
}

TEST_F(SocketHubTest, messages_are_delivered_one_after_the_other_and_answered) {
  const auto socket = std::make_shared<HeldSocket>();
  connect(socket);
  socket->message("one", false);
  socket->message("two", false);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].first.trigger.envelope.payload.json["text"], "one");
  delivered[0].second(reply("\"noted\""));
  ASSERT_EQ(delivered.size(), 2u);
  delivered[1].second(make_error(Code::kInvalidRequest, "it must be better"));
  ASSERT_EQ(socket->said.size(), 2u);
  EXPECT_EQ(socket->said[0], "text noted");
  EXPECT_NE(socket->said[1].find("INVALID_REQUEST"), std::string::npos);
}

TEST_F(SocketHubTest, what_finds_no_room_is_tried_again_while_the_client_waits) {
  const auto socket = std::make_shared<HeldSocket>();
  connect(socket);
  for (std::size_t i = 0; i <= kMaxWaitingFrames; ++i) socket->message(std::to_string(i), false);
  EXPECT_TRUE(socket->is_paused);
  delivered[0].second(make_error(Code::kRateLimited, "Overflow", "the inbox is full"));
  EXPECT_EQ(delivered.size(), 1u);
  scheduler.pass(seconds(1));
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_EQ(delivered[1].first.trigger.envelope.payload.json["text"], "0");
  for (std::size_t i = 1; i <= kMaxWaitingFrames + 1; ++i) delivered[i].second(reply("null"));
  EXPECT_FALSE(socket->is_paused);
  EXPECT_TRUE(socket->said.empty());
  // What was taken and then fails is not tried again.
  socket->message("more", false);
  delivered.back().first.accepted(nullptr, 1);
  delivered.back().second(make_error(Code::kUnavailable, "the handler is down"));
  EXPECT_EQ(socket->said.size(), 1u);
}

TEST_F(SocketHubTest, frames_go_to_one_connection_or_to_all_with_a_tag_of_that_agent) {
  const auto first = std::make_shared<HeldSocket>();
  const auto second = std::make_shared<HeldSocket>();
  const std::string one = connect(first);
  connect(second);
  hub.act(1, {SocketSend{one, "a", true}, SocketSend{"tag:room", "nobody"},
              SocketUpdate{one, std::vector<std::string>{"room"}, {}}, SocketSend{"tag:room", "b"},
              SocketSend{"unknown", "c"}});
  hub.act(2, {SocketSend{one, "of another agent"}, SocketSend{"tag:room", "d"}});
  EXPECT_EQ(first->said, (std::vector<std::string>{"bytes a", "text b"}));
  EXPECT_TRUE(second->said.empty());
  ASSERT_EQ(appended.size(), 1u);
  EXPECT_EQ(decode_socket(*appended[0].first[0].value)->tags, std::vector<std::string>{"room"});
  hub.act(1, {SocketClose{one, 4000, "enough"}});
  EXPECT_EQ(first->said.back(), "close 4000 enough");
}

TEST_F(SocketHubTest, frames_that_are_sent_before_the_socket_stands_wait_for_it) {
  SocketHub::Opened opened;
  hub.open(kAgent, 1, "", [&](Result<SocketHub::Opened> one) { opened = *one; });
  const std::string id = dispatched[0].first.trigger.envelope.sender;
  dispatched[0].second({});
  hub.act(1, {SocketSend{id, "welcome"}, SocketClose{id, 1000, "bye"}});
  const auto socket = std::make_shared<HeldSocket>();
  opened(socket);
  EXPECT_EQ(socket->said, (std::vector<std::string>{"text welcome", "close 1000 bye"}));
  socket->end(1000);
}

TEST_F(SocketHubTest, an_end_is_told_behind_the_messages_until_it_is_on_disk) {
  const auto socket = std::make_shared<HeldSocket>();
  const std::string id = connect(socket);
  socket->message("last words", false);
  socket->end(1001);
  EXPECT_TRUE(told.empty());
  delivered[0].second(reply("\"too late\""));
  EXPECT_TRUE(socket->said.empty());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].trigger.envelope.payload.json["code"], 1001);
  ASSERT_EQ(told[0].items.size(), 1u);
  EXPECT_EQ(told[0].items[0].key, id);
  EXPECT_FALSE(told[0].items[0].value);
  told[0].done(make_error(Code::kUnavailable, "the disk is full"));
  scheduler.pass(seconds(1));
  ASSERT_EQ(told.size(), 2u);
  told[1].done({});
  scheduler.pass(seconds(60));
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(SocketHubTest, a_row_without_a_connection_is_an_end_of_an_earlier_process) {
  const std::string id = connect(std::make_shared<HeldSocket>());
  std::vector<bool> agains;
  const auto done = [&agains](bool again) { agains.push_back(again); };
  hub.fire({.agent = 1, .kind = ItemKind::kSocket, .key = id}, done);
  EXPECT_EQ(agains, std::vector<bool>{false});
  EXPECT_TRUE(told.empty());

  SocketRow row;
  row.tags = {"room"};
  stored = std::optional<Item>(Item{.key = "old", .value = encode(row)});
  hub.fire({.agent = 1, .kind = ItemKind::kSocket, .key = "old"}, done);
  scheduler.run_all();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].trigger.envelope.id, "old/disconnect");
  EXPECT_EQ(told[0].trigger.envelope.payload.json["tags"], Json{"room"});
  told[0].done(make_error(Code::kUnavailable, "not now"));
  EXPECT_EQ(agains, (std::vector<bool>{false, true}));

  stored = std::optional<Item>();
  hub.fire({.agent = 1, .kind = ItemKind::kSocket, .key = "old"}, done);
  scheduler.run_all();
  EXPECT_EQ(agains, (std::vector<bool>{false, true, false}));
}

TEST_F(SocketHubTest, an_agent_that_is_gone_takes_its_connections_along) {
  const auto socket = std::make_shared<HeldSocket>();
  connect(socket);
  hub.removed(1);
  EXPECT_EQ(socket->said, std::vector<std::string>{"close 1001 the agent was deleted"});
  socket->end(1001);
  EXPECT_TRUE(told.empty());
}

TEST_F(SocketHubTest, an_agent_has_so_many_connections_at_most) {
  for (std::size_t i = 0; i < kMaxSocketsPerAgent; ++i) {
    hub.open(kAgent, 1, "", [](const Result<SocketHub::Opened>&) {});
  }
  std::string reason;
  hub.open(kAgent, 1, "",
           [&](const Result<SocketHub::Opened>& one) { reason = one.error().reason; });
  EXPECT_EQ(reason, "TooManySockets");
  EXPECT_EQ(dispatched.size(), kMaxSocketsPerAgent);
}

}  // namespace
}  // namespace oa::runtime
