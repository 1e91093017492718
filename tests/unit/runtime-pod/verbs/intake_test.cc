#include "runtime-pod/verbs/intake.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

constexpr Time kNow{std::chrono::hours(1)};

Intake some() {
  return {
      .agent = {"default", "a"}, .verb = "POST /run", .content_type = "text/plain", .body = "x"};
}

TEST(Intake, says_what_is_wrong_with_each_header) {
  EXPECT_TRUE(check_intake(some(), kNow));
  Intake good = some();
  good.sender = "shop";
  good.seq = 1;
  good.envelope_id = std::string(256, '~');
  good.idempotency_key = std::string(255, '!');
  good.expires_at = kNow + std::chrono::seconds(1);
  EXPECT_TRUE(check_intake(good, kNow));

  Intake bad = some();
  bad.seq = 0;
  bad.envelope_id = "a b";
  bad.idempotency_key = std::string(256, 'x');
  bad.expires_at = kNow;
  const auto checked = check_intake(bad, kNow);
  ASSERT_FALSE(checked);
  std::vector<std::string> paths;
  for (const FieldError& field : checked.error().fields) paths.push_back(field.path);
  EXPECT_EQ(paths, (std::vector<std::string>{"Idempotency-Key", "Agent-Envelope-Id", "Agent-Seq",
                                             "Agent-Sender", "Agent-Expires-At"}));
}

TEST(Intake, has_no_replay_without_a_key_or_an_id) { EXPECT_FALSE(replay_key(some())); }

TEST(Intake, has_a_key_of_its_sender_and_verb_and_a_fingerprint_of_its_body_and_type) {
  Intake first = some();
  first.idempotency_key = "k";
  const ReplayKey replay = *replay_key(first);
  EXPECT_EQ(replay.key.size(), 64U);
  const auto other = [&first](auto change) {
    Intake intake = first;
    change(intake);
    return *replay_key(intake);
  };
  EXPECT_NE(other([](Intake& one) { one.sender = "s"; }).key, replay.key);
  EXPECT_NE(other([](Intake& one) { one.verb = "POST /send"; }).key, replay.key);
  EXPECT_NE(other([](Intake& one) { one.idempotency_key = "l"; }).key, replay.key);
  EXPECT_EQ(other([](Intake& one) { one.body = "y"; }).key, replay.key);
  EXPECT_EQ(other([](Intake& one) { one.envelope_id = "e"; }).key, replay.key);
  EXPECT_NE(other([](Intake& one) { one.body = "y"; }).fingerprint, replay.fingerprint);
  EXPECT_NE(other([](Intake& one) { one.content_type = ""; }).fingerprint, replay.fingerprint);
  // Where one part ends and the next begins counts.
  const ReplayKey ab = other([](Intake& one) {
    one.sender = "ab";
    one.verb = "c";
  });
  const ReplayKey a = other([](Intake& one) {
    one.sender = "a";
    one.verb = "bc";
  });
  EXPECT_NE(ab.key, a.key);
}

TEST(Intake, is_known_by_its_envelopes_id_whatever_the_verb) {
  Intake first = some();
  first.envelope_id = "e";
  Intake second = first;
  second.verb = "POST /tick";
  EXPECT_EQ(replay_key(first)->key, replay_key(second)->key);
}

TEST(Intake, has_the_same_id_for_the_same_number_of_a_sender) {
  EXPECT_EQ(sequence_id("http", "s", 7), sequence_id("http", "s", 7));
  EXPECT_NE(sequence_id("http", "s", 7), sequence_id("http", "s", 8));
  EXPECT_NE(sequence_id("http", "s", 7), sequence_id("http", "t", 7));
}

TEST(Intake, becomes_an_envelope) {
  Intake intake = some();
  intake.sender = "shop";
  intake.seq = 7;
  const auto made = make_envelope(intake, kNow, "made-up");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->id, "made-up");
  EXPECT_EQ(made->source, "http");
  EXPECT_EQ(made->sender, "shop");
  EXPECT_EQ(made->seq, 7);
  EXPECT_EQ(made->payload.data, "x");
  intake.envelope_id = "named";
  EXPECT_EQ(make_envelope(intake, kNow, "made-up")->id, "named");
  intake.content_type = "application/json";
  EXPECT_EQ(make_envelope(intake, kNow, "made-up").error().code, Code::kInvalidRequest);
}

}  // namespace
}  // namespace oa::runtime
