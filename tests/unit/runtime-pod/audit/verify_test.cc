#include "runtime-pod/audit/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kAgent = "default/a";

std::vector<LogRecord> chain(std::int64_t count) {
  std::vector<LogRecord> records;
  Hash hash = kChainStart;
  for (std::int64_t i = 1; i <= count; ++i) {
    LogRecord record{.tick = i, .number = i, .time = Time(Duration(i)), .text = "{}"};
    record.hash = hash = next_hash(hash, {.agent = kAgent,
                                          .sequence = i,
                                          .kind = 1,
                                          .tick = i,
                                          .time = record.time,
                                          .record = record.text});
    records.push_back(std::move(record));
  }
  return records;
}

SignedHead head_at(const LogRecord& record) {
  return {std::string(kAgent), {.sequence = record.number, .hash = record.hash}};
}

Result<VerifiedLog> verify(const std::vector<LogRecord>& records, const LogRecord& newest,
                           std::optional<Anchor> anchor = {},
                           std::optional<SignedHead> known = {}) {
  LogVerifier verifier(std::string(kAgent), anchor, std::move(known));
  for (const LogRecord& record : records) {
    if (auto added = verifier.add(record); !added) return added.error();
  }
  return verifier.finish(newest.number, newest.hash);
}

TEST(LogVerifier, finds_a_whole_log_whole) {
  const auto records = chain(5);
  const auto log = verify(records, records.back(), {}, head_at(records[2]));
  ASSERT_TRUE(log) << log.error().detail;
  EXPECT_EQ(log->first, 1);
  EXPECT_EQ(log->last, 5);
  EXPECT_EQ(log->hash, records.back().hash);
}

TEST(LogVerifier, takes_an_agent_without_records) {
  const auto log = verify({}, LogRecord{});
  ASSERT_TRUE(log);
  EXPECT_EQ(log->first, 0);
}

TEST(LogVerifier, goes_on_behind_what_was_trimmed) {
  const auto records = chain(5);
  const Anchor anchor{2, records[1].hash, Time(), {}};
  EXPECT_EQ(verify({records.begin() + 2, records.end()}, records.back(), anchor)->first, 3);
  const auto gap = verify({records.begin() + 3, records.end()}, records.back(), anchor);
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().reason, "AuditChainBroken");
}

TEST(LogVerifier, lets_records_from_before_the_chain_be) {
  std::vector<LogRecord> old = {{.number = 1, .text = "{}"}, {.number = 2, .text = "{}"}};
  LogRecord first{.tick = 3, .number = 3, .time = Time(Duration(3)), .text = "{}"};
  first.hash = next_hash(kChainStart, {kAgent, 3, 1, 3, first.time, first.text});
  old.push_back(first);
  const auto log = verify(old, first);
  ASSERT_TRUE(log) << log.error().detail;
  EXPECT_EQ(log->first, 3);
}

TEST(LogVerifier, finds_records_cut_off_at_the_end) {
  const auto records = chain(3);
  EXPECT_FALSE(verify({records.begin(), records.begin() + 2}, records.back()));
  // The head may have been changed with them, but not what its runtime had signed.
  const auto log =
      verify({records.begin(), records.begin() + 2}, records[1], {}, head_at(records[2]));
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().detail, HasSubstr("audit record 3 of agent default/a is signed"));
}

TEST(LogVerifier, finds_a_chain_that_was_made_again) {
  const auto records = chain(3);
  SignedHead known = head_at(records[1]);
  known.head.hash[0] ^= 1;
  const auto log = verify(records, records.back(), {}, known);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().detail, HasSubstr("that its runtime has signed"));
}

TEST(SignedHead, is_read_as_it_was_written) {
  const SignedHead head{"default/a", {.sequence = 7, .hash = {1, 2, 3}, .signature = {4, 5}}};
  const auto read = parse_signed_head(to_json(head));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->agent, "default/a");
  EXPECT_EQ(read->head, head.head);
  EXPECT_FALSE(parse_signed_head(to_json(head.head)));
  EXPECT_FALSE(parse_signed_head(Json("x")));
}

}  // namespace
}  // namespace oa::runtime
