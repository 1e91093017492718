#include "runtime-pod/audit/chain.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

using crypto::Ed25519PrivateKey;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Record {
  std::string agent = "default/a";
  std::int64_t sequence = 0;
  std::int64_t kind = 1;
  std::int64_t tick = 0;
  Time time;
  std::string text;
  crypto::Digest hash{};

  AuditFields fields() const { return {agent, sequence, kind, tick, time, text}; }
};

Time at(std::int64_t micros) { return Time(Duration(micros)); }

std::vector<Record> chain(std::int64_t count) {
  std::vector<Record> records;
  crypto::Digest hash = kChainStart;
  for (std::int64_t i = 1; i <= count; ++i) {
    Record record{.sequence = i,
                  .tick = i + 100,
                  .time = at(1'700'000'000'000'000 + i),
                  .text = R"({"outcome":"Succeeded","n":)" + std::to_string(i) + "}"};
    record.hash = hash = next_hash(hash, record.fields());
    records.push_back(std::move(record));
  }
  return records;
}

Result<void> verify(ChainVerifier verifier, const std::vector<Record>& records,
                    const crypto::Digest& head) {
  for (const Record& record : records) {
    if (Result<void> added = verifier.add(record.fields(), record.hash); !added) return added;
  }
  return verifier.finish(head);
}

Result<void> verify(const std::vector<Record>& records, const crypto::Digest& head) {
  return verify(ChainVerifier("default/a"), records, head);
}

TEST(NextHash, is_of_an_encoding_that_never_changes) {
  const Record record{.sequence = 1, .tick = 2, .time = at(3), .text = "{}"};
  // The same bytes by hand.
  const std::string bytes = std::string(32, '\0') + '\x01' + std::string(7, '\0') + '\x09' +
                            "default/a" + std::string(7, '\0') + '\x01' + std::string(7, '\0') +
                            '\x01' + std::string(7, '\0') + '\x02' + std::string(7, '\0') + '\x03' +
                            std::string(7, '\0') + '\x02' + "{}";
  EXPECT_EQ(next_hash(kChainStart, record.fields()), crypto::sha256(bytes));
}

TEST(NextHash, covers_every_field_and_where_each_ends) {
  const Record record{.sequence = 1, .tick = 2, .time = at(3), .text = "text"};
  const crypto::Digest hash = next_hash(kChainStart, record.fields());
  const std::function<void(Record&)> changes[] = {
      [](Record& r) { r.agent = "default/b"; },
      [](Record& r) { r.sequence = 2; },
      [](Record& r) { r.kind = 2; },
      [](Record& r) { r.tick = 3; },
      [](Record& r) { r.tick = -2; },
      [](Record& r) { r.time = at(4); },
      [](Record& r) { r.text = "texT"; },
      [](Record& r) { r.text = "text "; },
      [](Record& r) { r.text.clear(); },
  };
  for (const auto& change : changes) {
    Record changed = record;
    change(changed);
    EXPECT_NE(next_hash(kChainStart, changed.fields()), hash);
  }
  EXPECT_NE(next_hash(hash, record.fields()), hash);
}

TEST(ChainVerifier, follows_a_whole_chain) {
  const auto records = chain(50);
  const auto verified = verify(records, records.back().hash);
  EXPECT_TRUE(verified) << verified.error().detail;
  EXPECT_TRUE(verify({}, kChainStart));
}

TEST(ChainVerifier, finds_any_changed_record_and_names_the_first) {
  const auto records = chain(8);
  for (std::size_t i = 0; i < records.size(); ++i) {
    auto changed = records;
    changed[i].text += " ";
    const auto broken = verify(changed, records.back().hash);
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().reason, "AuditChainBroken");
    EXPECT_THAT(
        broken.error().detail,
        AllOf(HasSubstr("audit record " + std::to_string(i + 1) + " of agent default/a "),
              HasSubstr("but has " + crypto::hex_encode(crypto::bytes_of(records[i].hash)))));

    // Its own hash made to fit does not help: the next record's does not.
    const crypto::Digest before = i == 0 ? kChainStart : records[i - 1].hash;
    changed[i].hash = next_hash(before, changed[i].fields());
    EXPECT_FALSE(verify(changed, records.back().hash)) << i;
  }
}

TEST(ChainVerifier, finds_dropped_swapped_and_inserted_records) {
  const auto records = chain(8);
  for (std::size_t i = 0; i + 1 < records.size(); ++i) {
    auto dropped = records;
    dropped.erase(dropped.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(verify(dropped, records.back().hash).error().detail,
                HasSubstr("audit record " + std::to_string(i + 2) +
                          " of agent default/a must be record " + std::to_string(i + 1)));

    auto renumbered = dropped;
    for (std::size_t j = 0; j < renumbered.size(); ++j) {
      renumbered[j].sequence = static_cast<std::int64_t>(j) + 1;
    }
    EXPECT_FALSE(verify(renumbered, records.back().hash)) << i;

    auto swapped = records;
    std::swap(swapped[i], swapped[i + 1]);
    EXPECT_FALSE(verify(swapped, records.back().hash)) << i;
    std::swap(swapped[i].sequence, swapped[i + 1].sequence);
    EXPECT_FALSE(verify(swapped, records.back().hash)) << i;

    auto inserted = records;
    inserted.insert(inserted.begin() + static_cast<std::ptrdiff_t>(i), records[i]);
    EXPECT_FALSE(verify(inserted, records.back().hash)) << i;
  }
}

TEST(ChainVerifier, finds_a_chain_that_was_cut_off_or_goes_on) {
  auto records = chain(8);
  const crypto::Digest head = records.back().hash;
  const auto longer = chain(9);
  EXPECT_FALSE(verify(longer, head));
  records.pop_back();
  EXPECT_THAT(verify(records, head).error().detail,
              AllOf(HasSubstr("audit record 7 "), HasSubstr("records after it are missing")));
  EXPECT_FALSE(verify({}, head));
}

TEST(ChainVerifier, refuses_records_of_another_agent) {
  auto records = chain(2);
  records[1].agent = "default/b";
  records[1].hash = next_hash(records[0].hash, records[1].fields());
  EXPECT_THAT(verify(records, records[1].hash).error().detail, HasSubstr("of agent default/b"));
}

TEST(ChainVerifier, stays_broken) {
  const auto records = chain(3);
  ChainVerifier verifier("default/a");
  EXPECT_TRUE(verifier.add(records[0].fields(), records[0].hash));
  const auto broken = verifier.add(records[2].fields(), records[2].hash);
  ASSERT_FALSE(broken);
  EXPECT_EQ(verifier.sequence(), 1);
  const auto next = verifier.add(records[1].fields(), records[1].hash);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error(), broken.error());
  EXPECT_EQ(verifier.finish(records[0].hash).error(), broken.error());
}

TEST(Anchor, lets_a_trimmed_chain_be_followed) {
  const auto key = Ed25519PrivateKey::generate();
  const auto records = chain(8);
  const Anchor anchor = sign_anchor(key, "default/a", 5, records[4].hash, at(7));
  const std::vector<Record> rest(records.begin() + 5, records.end());
  const auto verifier = ChainVerifier::after("default/a", anchor, key.public_key());
  ASSERT_TRUE(verifier) << verifier.error().detail;
  EXPECT_TRUE(verify(*verifier, rest, records.back().hash));
  EXPECT_FALSE(verify(*verifier, {rest.begin() + 1, rest.end()}, records.back().hash));
  EXPECT_FALSE(verify(rest, records.back().hash)) << "without the anchor";
}

TEST(Anchor, is_refused_when_forged) {
  const auto key = Ed25519PrivateKey::generate();
  const auto records = chain(3);
  const Anchor anchor = sign_anchor(key, "default/a", 2, records[1].hash, at(7));
  const auto is_refused = [&](const Anchor& forged, const std::string& agent,
                              const Ed25519PrivateKey& signer) {
    const auto verifier = ChainVerifier::after(agent, forged, signer.public_key());
    return !verifier && verifier.error().code == Code::kUnauthenticated;
  };
  EXPECT_FALSE(is_refused(anchor, "default/a", key));
  EXPECT_TRUE(is_refused(anchor, "default/b", key));
  EXPECT_TRUE(is_refused(anchor, "default/a", Ed25519PrivateKey::generate()));
  const std::function<void(Anchor&)> changes[] = {
      [](Anchor& a) { ++a.sequence; },
      [](Anchor& a) { a.hash[0] ^= 1; },
      [](Anchor& a) { a.time += Duration(1); },
      [](Anchor& a) { a.signature[63] ^= 1; },
  };
  for (const auto& change : changes) {
    Anchor forged = anchor;
    change(forged);
    EXPECT_TRUE(is_refused(forged, "default/a", key));
  }
}

TEST(Anchor, is_read_back_from_json) {
  const auto key = Ed25519PrivateKey::generate();
  const Anchor anchor = sign_anchor(key, "default/a", 5, chain(5).back().hash, at(1'234'567));
  EXPECT_EQ(*parse_anchor(to_json(anchor)), anchor);

  EXPECT_FALSE(parse_anchor(Json::array()));
  for (const char* name : {"sequence", "hash", "time", "signature"}) {
    for (const Json& bad : {Json("x"), Json(-1), Json(), Json(1.5), Json("AAAA")}) {
      Json wrong = to_json(anchor);
      wrong[name] = bad;
      const auto parsed = parse_anchor(wrong);
      ASSERT_FALSE(parsed) << wrong;
      ASSERT_EQ(parsed.error().fields.size(), 1U);
      EXPECT_EQ(parsed.error().fields[0].path, name);
    }
  }
}

}  // namespace
}  // namespace oa::runtime
