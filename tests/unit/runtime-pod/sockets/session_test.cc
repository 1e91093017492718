#include "runtime-pod/sockets/session.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

const Time kNow(std::chrono::seconds(60));

std::string step_text(const std::optional<SocketSession::Step>& step) {
  if (!step) return "nothing";
  if (const auto* message = std::get_if<SocketSession::Message>(&*step)) {
    return std::to_string(message->number) + " " + message->frame.data;
  }
  if (const auto* end = std::get_if<SocketEnd>(&*step)) return "end " + std::to_string(end->code);
  return "save";
}

TEST(SocketSession, steps_come_one_after_the_other_and_the_end_is_the_last) {
  SocketSession session("c", kNow);
  EXPECT_EQ(step_text(session.next()), "nothing");
  session.received({"a"});
  session.received({"b"});
  session.ended({1000, "bye"});
  session.received({"too late"});
  session.ended({1006});
  EXPECT_EQ(step_text(session.next()), "1 a");
  EXPECT_EQ(step_text(session.next()), "nothing");
  session.done();
  EXPECT_EQ(step_text(session.next()), "2 b");
  session.done();
  EXPECT_EQ(step_text(session.next()), "end 1000");
  EXPECT_FALSE(session.is_over());
  session.done();
  EXPECT_TRUE(session.is_over());
  EXPECT_EQ(step_text(session.next()), "nothing");
}

TEST(SocketSession, a_change_is_saved_before_the_agent_sees_more) {
  SocketSession session("c", kNow);
  session.received({"a"});
  session.received({"b"});
  EXPECT_EQ(step_text(session.next()), "1 a");
  session.update({"c", std::vector<std::string>{"room"}, {}});
  session.update({"c", {}, Json{{"n", 1}}});
  session.done();
  EXPECT_EQ(step_text(session.next()), "save");
  session.done();
  EXPECT_EQ(step_text(session.next()), "2 b");
  EXPECT_EQ(session.row().tags, std::vector<std::string>{"room"});
  EXPECT_EQ(session.row().attachment, (Json{{"n", 1}}));
}

TEST(SocketSession, is_full_by_number_or_size_and_low_again_later) {
  SocketSession session("c", kNow);
  for (std::size_t i = 0; i < kMaxWaitingFrames; ++i) {
    EXPECT_FALSE(session.is_full());
    session.received({"x"});
  }
  EXPECT_TRUE(session.is_full());
  static_cast<void>(session.next());
  EXPECT_FALSE(session.is_full());
  EXPECT_FALSE(session.is_low());
  for (std::size_t i = 0; i < kMaxWaitingFrames / 2; ++i) {
    session.done();
    static_cast<void>(session.next());
  }
  EXPECT_TRUE(session.is_low());

  SocketSession fat("c", kNow);
  fat.received({std::string(kMaxWaitingFrameBytes, 'x')});
  EXPECT_TRUE(fat.is_full());
  static_cast<void>(fat.next());
  EXPECT_TRUE(fat.is_low());
}

TEST(SocketSession, who_was_dropped_tells_nothing) {
  SocketSession session("c", kNow);
  session.received({"a"});
  static_cast<void>(session.next());
  session.received({"b"});
  session.drop();
  session.done();
  session.ended({1000});
  EXPECT_EQ(step_text(session.next()), "nothing");
  EXPECT_TRUE(session.is_over());
}

TEST(SocketTriggers, say_who_and_what) {
  SocketRow row;
  row.tags = {"room"};
  row.attachment = {{"n", 1}};
  const Trigger connect = connect_trigger("c", row, kNow, "00-trace");
  EXPECT_EQ(connect.type, TriggerType::kSocket);
  EXPECT_EQ(connect.envelope.id, "c/connect");
  EXPECT_EQ(connect.envelope.source, "socket");
  EXPECT_EQ(connect.envelope.sender, "c");
  EXPECT_EQ(connect.envelope.traceparent, "00-trace");
  EXPECT_EQ(connect.envelope.payload.json, (Json{{"event", "connect"},
                                                 {"connectionId", "c"},
                                                 {"tags", {"room"}},
                                                 {"attachment", {{"n", 1}}}}));
  const Trigger text = message_trigger("c", {}, {{"hi", false}, 7}, kNow, "e");
  EXPECT_EQ(text.envelope.seq, 7);
  EXPECT_EQ(text.envelope.id, "e");
  EXPECT_EQ(
      text.envelope.payload.json,
      (Json{{"event", "message"}, {"connectionId", "c"}, {"tags", Json::array()}, {"text", "hi"}}));
  const Trigger bytes = message_trigger("c", {}, {{"\xff", true}, 8}, kNow, "e");
  EXPECT_EQ(bytes.envelope.payload.json["base64"], "/w==");
  const Trigger gone = disconnect_trigger("c", {}, {4000, "enough"}, kNow);
  EXPECT_EQ(gone.envelope.id, "c/disconnect");
  EXPECT_EQ(gone.envelope.payload.json["code"], 4000);
  EXPECT_EQ(gone.envelope.payload.json["reason"], "enough");
}

TEST(ReplyFrame, is_text_json_bytes_or_nothing) {
  const auto shown = [](Reply reply) {
    const auto frame = reply_frame(std::move(reply));
    return frame ? (frame->binary ? "bytes " : "text ") + frame->data : std::string("nothing");
  };
  EXPECT_EQ(shown({false, R"("a \"b\"")", "application/json"}), "text a \"b\"");
  EXPECT_EQ(shown({false, R"({"a":1})", "application/json"}), R"(text {"a":1})");
  EXPECT_EQ(shown({false, "null", "application/json"}), "nothing");
  EXPECT_EQ(shown({}), "nothing");
  EXPECT_EQ(shown({true, "\x01", "image/png"}), "bytes \x01");
}

}  // namespace
}  // namespace oa::runtime
