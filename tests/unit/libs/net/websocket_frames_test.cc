#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/net/websocket_frames_impl.h"
#include "tests/unit/libs/net/websocket_client.h"

namespace oa::net {
namespace {

using Kind = FrameEvent::Kind;
using test::client_close;
using test::client_frame;

constexpr std::size_t kLimit = 70'000;

std::vector<FrameEvent> read_all(FrameReader& reader, std::string_view bytes) {
  std::vector<FrameEvent> events;
  while (auto event = reader.next(bytes)) {
    events.push_back(*std::move(event));
    if (events.back().kind == Kind::kFailure) break;
  }
  return events;
}

std::vector<FrameEvent> read_all(std::string_view bytes) {
  FrameReader reader(kLimit);
  return read_all(reader, bytes);
}

std::string summary(const std::vector<FrameEvent>& events) {
  constexpr const char* kNames[] = {"text", "binary", "ping", "pong", "close", "failure"};
  std::string text;
  for (const FrameEvent& event : events) {
    text += kNames[static_cast<std::size_t>(event.kind)];
    if (event.code != 0) text += " " + std::to_string(event.code);
    if (event.kind != Kind::kFailure) text += "(" + event.data.substr(0, 20) + ")";
    text += ";";
  }
  return text;
}

TEST(FrameReader, reads_messages_of_every_length_form) {
  for (const std::size_t size : {0, 1, 125, 126, 65'535, 65'536, 70'000}) {
    const std::string data(size, 'x');
    const auto events = read_all(client_frame(0x82, data));
    ASSERT_EQ(events.size(), 1u) << size;
    EXPECT_EQ(events[0].kind, Kind::kBinary);
    EXPECT_EQ(events[0].data, data);
  }
}

TEST(FrameReader, joins_fragments_and_lets_control_frames_between_them) {
  EXPECT_EQ(summary(read_all(client_frame(0x01, "Hel") + client_frame(0x89, "p") +
                             client_frame(0x00, "lo") + client_frame(0x8A, "q") +
                             client_frame(0x80, "!") + client_frame(0x82, "b"))),
            "ping(p);pong(q);text(Hello!);binary(b);");
}

TEST(FrameReader, does_not_depend_on_how_the_bytes_are_cut) {
  const std::string bytes = client_frame(0x01, "h\xC3") + client_frame(0x89, "") +
                            client_frame(0x80, "\xA9llo") +
                            client_frame(0x82, std::string(130, 'x')) + client_close(1000, "bye");
  const std::string expected = summary(read_all(bytes));
  EXPECT_EQ(expected, "ping();text(h\xC3\xA9llo);binary(xxxxxxxxxxxxxxxxxxxx);close 1000(bye);");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    FrameReader reader(kLimit);
    auto events = read_all(reader, std::string_view(bytes).substr(0, cut));
    for (FrameEvent& event : read_all(reader, std::string_view(bytes).substr(cut))) {
      events.push_back(std::move(event));
    }
    ASSERT_EQ(summary(events), expected) << cut;
  }
  FrameReader reader(kLimit);
  std::vector<FrameEvent> events;
  for (const char byte : bytes) {
    for (FrameEvent& event : read_all(reader, {&byte, 1})) events.push_back(std::move(event));
  }
  EXPECT_EQ(summary(events), expected);
}

TEST(FrameReader, refuses_what_breaks_the_protocol) {
  const std::string bad[] = {
      std::string("\x81\x00", 2),                              // not masked
      client_frame(0xC1, "x"),                                 // a reserved bit
      client_frame(0x83, "x"),                                 // a reserved opcode
      client_frame(0x8B, "x"),                                 // a reserved control opcode
      client_frame(0x80, "x"),                                 // nothing to continue
      client_frame(0x01, "x") + client_frame(0x81, "y"),       // a message within another
      client_frame(0x09, "x"),                                 // a fragmented ping
      client_frame(0x89, std::string(126, 'x')),               // a long ping
      std::string("\x82\xFE\x00\x7D", 4) + std::string(4, 0),  // a length not in its shortest form
      std::string("\x82\xFF\x00\x00\x00\x00\x00\x00\xFF\xFF", 10) + std::string(4, 0),
      std::string("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00", 10) + std::string(4, 0),
      client_frame(0x88, "x"),  // half a code
      client_close(999, ""),
      client_close(1005, ""),
      client_close(1006, ""),
      client_close(1015, ""),
      client_close(2999, ""),
      client_close(5000, "")};
  for (const std::string& bytes : bad) {
    EXPECT_EQ(summary(read_all(bytes)), "failure 1002;") << testing::PrintToString(bytes);
  }
}

TEST(FrameReader, refuses_text_that_is_not_utf_8) {
  EXPECT_EQ(summary(read_all(client_frame(0x81, "\xFF"))), "failure 1007;");
  EXPECT_EQ(summary(read_all(client_frame(0x01, "\xC3") + client_frame(0x80, "x"))),
            "failure 1007;");
  EXPECT_EQ(summary(read_all(client_close(1000, "\xFF"))), "failure 1007;");
  EXPECT_EQ(read_all(client_frame(0x82, "\xFF")).at(0).kind, Kind::kBinary);
}

TEST(FrameReader, refuses_a_large_message_at_its_header) {
  FrameReader reader(100);
  EXPECT_EQ(summary(read_all(reader, client_frame(0x82, std::string(101, 'x')).substr(0, 8))),
            "failure 1009;");
  FrameReader fragments(100);
  EXPECT_EQ(summary(read_all(fragments, client_frame(0x02, std::string(60, 'x')) +
                                            client_frame(0x80, std::string(41, 'x')))),
            "failure 1009;");
  FrameReader fits(100);
  EXPECT_EQ(read_all(fits, client_frame(0x02, std::string(60, 'x')) +
                               client_frame(0x80, std::string(40, 'x')))
                .size(),
            1u);
}

TEST(FrameReader, reads_a_close_without_a_code) {
  EXPECT_EQ(summary(read_all(client_frame(0x88, ""))), "close 1005();");
}

TEST(FrameReader, survives_random_bytes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (bytes.size() > 1) {
      bytes[0] = static_cast<char>(bytes[0] & 0x8f);
      bytes[1] = static_cast<char>(bytes[1] | 0x80);
    }
    FrameReader reader(100);
    for (const FrameEvent& event : read_all(reader, bytes)) EXPECT_LE(event.data.size(), 200u);
  }
}

TEST(AppendFrame, uses_the_shortest_length_form) {
  for (const auto& [size, head] : {std::pair<std::size_t, std::string>{125, {"\x82\x7D", 2}},
                                   {126, {"\x82\x7E\x00\x7E", 4}},
                                   {65'535, {"\x82\x7E\xFF\xFF", 4}},
                                   {65'536, {"\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10}}}) {
    std::string out;
    append_frame(out, Opcode::kBinary, std::string(size, 'x'));
    EXPECT_EQ(out, head + std::string(size, 'x'));
  }
}

TEST(AppendCloseFrame, carries_what_may_be_sent) {
  const auto frame = [](std::uint16_t code, std::string_view reason) {
    std::string out;
    append_close_frame(out, code, reason);
    return out;
  };
  EXPECT_EQ(frame(1000, "bye"), std::string("\x88\x05\x03\xE8", 4) + "bye");
  EXPECT_EQ(frame(1005, "ignored"), std::string("\x88\x00", 2));
  EXPECT_EQ(frame(1006, ""), std::string("\x88\x02\x03\xF3", 4));
  EXPECT_EQ(frame(1000, "\xFF").size(), 4u);
  EXPECT_LE(frame(1000, std::string(300, 'x')).size(), 127u);
}

}  // namespace
}  // namespace oa::net
