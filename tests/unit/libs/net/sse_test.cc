#include "libs/net/sse.h"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::net {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<SseEvent> parse(std::string_view text) {
  SseParser parser(1000);
  std::vector<SseEvent> events;
  EXPECT_TRUE(parser.feed(text, events));
  return events;
}

TEST(FormatSse, writes_one_field_a_line) {
  EXPECT_EQ(format_sse({"7", "delta", "hi"}), "id: 7\nevent: delta\ndata: hi\n\n");
  EXPECT_EQ(format_sse({"", "", "hi"}), "data: hi\n\n");
  EXPECT_EQ(format_sse({"", "done", ""}), "event: done\ndata: \n\n");
}

TEST(FormatSse, splits_data_at_any_line_end) {
  EXPECT_EQ(format_sse({"", "", "a\nb\r\nc\rd\n"}),
            "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
}

TEST(FormatSse, cannot_be_split_by_an_id_or_event_type) {
  EXPECT_EQ(format_sse({"1\ndata: x", "a\r\n\r\nb", "y"}),
            "id: 1 data: x\nevent: a    b\ndata: y\n\n");
}

TEST(FormatSse, writes_heartbeats_and_waits) {
  EXPECT_EQ(format_sse_comment(), ": \n\n");
  EXPECT_EQ(format_sse_comment("still\nhere"), ": still here\n\n");
  EXPECT_EQ(format_sse_retry(milliseconds(1500)), "retry: 1500\n\n");
  EXPECT_THAT(parse(format_sse_comment("x") + format_sse_retry(milliseconds(1))), IsEmpty());
}

TEST(SseParser, reads_back_what_was_written) {
  for (const char* data : {"", "one line", "two\nlines", "\n", "\n\nx\n", " leading space", ":"}) {
    const SseEvent event{"12", "tick_end", data};
    EXPECT_THAT(parse(format_sse(event)), ElementsAre(event)) << data;
  }
}

TEST(SseParser, takes_every_line_end) {
  for (const char* end : {"\n", "\r", "\r\n"}) {
    std::string text = "data: a~data:b~~event: x~data~data~~";
    for (std::size_t at = text.find('~'); at != std::string::npos; at = text.find('~')) {
      text.replace(at, 1, end);
    }
    EXPECT_THAT(parse(text), ElementsAre(SseEvent{"", "", "a\nb"}, SseEvent{"", "x", "\n"}));
  }
}

TEST(SseParser, ignores_comments_unknown_fields_and_events_without_data) {
  EXPECT_THAT(parse(": hello\n\nevent: x\n\nfoo: bar\nfoo\n\nid: 3\n\ndata: y\n\n"),
              ElementsAre(SseEvent{"3", "", "y"}));
}

TEST(SseParser, keeps_the_last_id_until_there_is_another) {
  EXPECT_THAT(parse("id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\nid\ndata: d\n\n"),
              ElementsAre(SseEvent{"1", "", "a"}, SseEvent{"1", "", "b"}, SseEvent{"2", "", "c"},
                          SseEvent{"", "", "d"}));
}

TEST(SseParser, ignores_an_id_with_nul) {
  EXPECT_THAT(parse(std::string("id: 1\nid: 2\0\ndata: a\n\n", 22)),
              ElementsAre(SseEvent{"1", "", "a"}));
}

TEST(SseParser, reads_a_wait_of_digits_only) {
  SseParser parser(100);
  std::vector<SseEvent> events;
  EXPECT_TRUE(parser.feed("retry: 5s\nretry: -5\nretry:\nretry: 99999999999999999999\n", events));
  EXPECT_EQ(parser.retry(), std::nullopt);
  EXPECT_TRUE(parser.feed("retry: 1500\n", events));
  EXPECT_EQ(parser.retry(), milliseconds(1500));
}

TEST(SseParser, skips_a_byte_order_mark_at_the_beginning_only) {
  EXPECT_THAT(parse("\xEF\xBB\xBF"
                    "data: a\n\n\xEF\xBB\xBF"
                    "data: b\n\n"),
              ElementsAre(SseEvent{"", "", "a"}));
}

TEST(SseParser, gives_nothing_of_an_event_that_is_not_finished) {
  EXPECT_THAT(parse("data: a\n"), IsEmpty());
  EXPECT_THAT(parse("data: a\n\ndata: b"), ElementsAre(SseEvent{"", "", "a"}));
}

TEST(SseParser, does_not_depend_on_how_the_stream_is_cut) {
  const std::string text =
      "\xEF\xBB\xBF"
      "id: 1\r\nevent: x\r\ndata: a\r\ndata: b\r\n\r\n: c\r\rdata: \xC3\xA9\r\rretry: 20\n\n"
      "data\n\nid: 2\r\ndata: end\n\r\n";
  const std::vector<SseEvent> expected = parse(text);
  EXPECT_THAT(expected, ElementsAre(SseEvent{"1", "x", "a\nb"}, SseEvent{"1", "", "\xC3\xA9"},
                                    SseEvent{"1", "", ""}, SseEvent{"2", "", "end"}));
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      SseParser parser(1000);
      std::vector<SseEvent> events;
      const std::string_view whole = text;
      EXPECT_TRUE(parser.feed(whole.substr(0, first), events));
      EXPECT_TRUE(parser.feed(whole.substr(first, second - first), events));
      EXPECT_TRUE(parser.feed(whole.substr(second), events));
      ASSERT_EQ(events, expected) << first << " " << second;
      EXPECT_EQ(parser.last_event_id(), "2");
    }
  }
}

TEST(SseParser, limits_each_event) {
  const std::string fits = "data: " + std::string(94, 'x') + "\n\n";
  SseParser parser(100);
  std::vector<SseEvent> events;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(parser.feed(fits, events));
  EXPECT_EQ(events.size(), 3u);
  for (const std::string& tail :
       {std::string(101, 'x'), std::string("data: ") + fits, "data: 1\n:" + std::string(93, 'x')}) {
    SseParser limited(100);
    std::vector<SseEvent> before;
    const Result<void> fed = limited.feed(fits + tail, before);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().reason, "PayloadTooLarge");
    EXPECT_EQ(before.size(), 1u);
  }
}

}  // namespace
}  // namespace oa::net
