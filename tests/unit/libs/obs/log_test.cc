#include "libs/obs/log.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "tests/support/manual_clock.h"

namespace oa::obs {
namespace {

class Log : public testing::Test {
 protected:
  Logger logger(LogFormat format, Level level = Level::kInfo) {
    const auto keep = [this](std::string_view line) { lines_.emplace_back(line); };
    return Logger("runtime", {level, format, keep}, clock_);
  }
  std::string only_line() const { return lines_.size() == 1 ? lines_[0] : "not one line"; }

  test::ManualClock clock_{*parse_time("2026-11-21T08:00:00.123456Z")};
  std::vector<std::string> lines_;
};

TEST_F(Log, writes_keys_in_their_order_and_fields_as_given) {
  logger(LogFormat::kJson)
      .info("agent created", {{"namespace", "default"},
                              {"agent", std::string("x")},
                              {"count", 3},
                              {"ratio", 0.5},
                              {"new", true}});
  EXPECT_EQ(only_line(),
            R"({"time":"2026-11-21T08:00:00.123Z","level":"info","logger":"runtime",)"
            R"("msg":"agent created","namespace":"default","agent":"x","count":3,"ratio":0.5,)"
            R"("new":true})"
            "\n");
}

TEST_F(Log, writes_text_for_people) {
  const Logger log = logger(LogFormat::kText, Level::kDebug);
  log.info("agent created", {{"agent", "default/x"}, {"took", 1.5}});
  log.error("agent failed", {{"error", "no such file"}, {"empty", ""}, {"quote", "a\"b"}});
  EXPECT_THAT(lines_, testing::ElementsAre(
                          "2026-11-21T08:00:00.123Z INFO  runtime agent created agent=default/x "
                          "took=1.5\n",
                          "2026-11-21T08:00:00.123Z ERROR runtime agent failed "
                          "error=\"no such file\" empty=\"\" quote=\"a\\\"b\"\n"));
}

TEST_F(Log, writes_an_error_as_one_text) {
  logger(LogFormat::kText)
      .warn("refused", {{"error", make_error(Code::kNotFound, "agent x does not exist")}});
  EXPECT_THAT(only_line(), testing::HasSubstr("error=\"NOT_FOUND: agent x does not exist\"\n"));
}

TEST_F(Log, leaves_out_what_is_below_its_level) {
  const Logger log = logger(LogFormat::kText, Level::kWarn);
  log.debug("no");
  log.info("no");
  log.warn("yes");
  log.error("yes");
  EXPECT_EQ(lines_.size(), 2u);
  EXPECT_FALSE(log.enabled(Level::kInfo));
  EXPECT_TRUE(log.enabled(Level::kWarn));
}

TEST_F(Log, changes_only_the_name_in_a_named_logger) {
  logger(LogFormat::kText).named("storage").info("opened");
  EXPECT_EQ(only_line(), "2026-11-21T08:00:00.123Z INFO  storage opened\n");
}

TEST_F(Log, stays_one_valid_line_whatever_the_bytes) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  const Logger json = logger(LogFormat::kJson);
  json.info(bytes, {{bytes, bytes}, {"nan", std::nan("")}, {"big", ~0ull}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].find('\n'), lines_[0].size() - 1);
  const auto parsed = nlohmann::json::parse(lines_[0], nullptr, false);
  ASSERT_FALSE(parsed.is_discarded()) << lines_[0];
  EXPECT_TRUE(parsed["nan"].is_null());

  lines_.clear();
  logger(LogFormat::kText).info(bytes, {{"bytes", bytes}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0].find('\n'), lines_[0].size() - 1);
}

TEST_F(Log, replaces_bytes_that_are_not_utf8) {
  logger(LogFormat::kJson).info("read", {{"value", "a\xff"}});
  EXPECT_THAT(only_line(), testing::HasSubstr("\"value\":\"a\xef\xbf\xbd\""));
}

TEST_F(Log, never_throws_even_when_its_sink_does) {
  const Logger log(
      "x",
      {Level::kInfo, LogFormat::kJson, [](std::string_view) { throw std::runtime_error("full"); }},
      clock_);
  EXPECT_NO_THROW(log.info("lost"));
}

TEST_F(Log, keeps_lines_of_many_threads_whole) {
  const Logger log = logger(LogFormat::kText);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([log] {
      for (int i = 0; i < 50; ++i) log.info("line");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines_.size(), 200u);
  EXPECT_THAT(lines_, testing::Each("2026-11-21T08:00:00.123Z INFO  runtime line\n"));
}

TEST_F(Log, goes_to_stderr_without_a_sink) {
  testing::internal::CaptureStderr();
  Logger("x", {.format = LogFormat::kText}, clock_).info("hello");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "2026-11-21T08:00:00.123Z INFO  x hello\n");
}

TEST(LogOptions, are_parsed_from_their_names) {
  EXPECT_EQ(*parse_level("debug"), Level::kDebug);
  EXPECT_EQ(*parse_level("info"), Level::kInfo);
  EXPECT_EQ(*parse_level("warn"), Level::kWarn);
  EXPECT_EQ(*parse_level("error"), Level::kError);
  EXPECT_EQ(*parse_log_format("json"), LogFormat::kJson);
  EXPECT_EQ(*parse_log_format("text"), LogFormat::kText);
}

TEST(LogOptions, are_refused_with_what_they_must_be) {
  const Error level = parse_level("INFO").error();
  EXPECT_EQ(level.code, Code::kInvalidRequest);
  EXPECT_EQ(level.detail, "log level is \"INFO\" but must be debug, info, warn or error");
  EXPECT_EQ(parse_log_format("").error().detail, "log format is \"\" but must be json or text");
}

}  // namespace
}  // namespace oa::obs
