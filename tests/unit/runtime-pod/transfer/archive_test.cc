#include "runtime-pod/transfer/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

using ::testing::HasSubstr;

class Archives : public testing::Test {
 protected:
  std::string make(const std::vector<std::pair<std::string, std::string>>& members) {
    auto file = NamelessFile::make(dir.path()).value();
    ArchiveWriter writer(file, Time(std::chrono::seconds(1'700'000'000)));
    for (const auto& [name, content] : members) {
      writer.begin(name);
      // In parts, as an export comes.
      writer.add(content.substr(0, content.size() / 2));
      writer.add(content.substr(content.size() / 2));
    }
    const std::int64_t size = writer.finish().value();
    return file.read_at(0, static_cast<std::size_t>(size) + 1).value();
  }

  oa::test::TempDir dir;
};

TEST_F(Archives, are_read_as_they_were_written) {
  const std::string large(1'000'000, 'x');
  const std::string bytes = make({{"a.json", "{}"}, {"empty", ""}, {"large", large}});
  EXPECT_EQ(bytes.size() % 512, 0u);
  const auto members = read_archive(bytes);
  ASSERT_TRUE(members) << members.error().detail;
  ASSERT_EQ(members->size(), 3u);
  EXPECT_EQ(members->at(0).name, "a.json");
  EXPECT_EQ(members->at(0).content, "{}");
  EXPECT_EQ(members->at(1).content, "");
  EXPECT_EQ(members->at(2).content, large);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path())) << "nothing stays behind";
}

TEST_F(Archives, are_found_damaged_at_every_bit_and_length) {
  const std::string bytes = make({{"a.json", R"({"n":1})"}, {"b", "text"}});
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const auto members = read_archive(changed);
    // Only what follows the digest does not matter to it.
    if (members) {
      EXPECT_GE(at, bytes.size() - 3 * 512) << at;
    } else {
      EXPECT_EQ(members.error().reason, "ArchiveDamaged");
    }
  }
  for (std::size_t size = 0; size + 1024 < bytes.size(); size += 13) {
    EXPECT_FALSE(read_archive(bytes.substr(0, size))) << size;
  }
}

TEST_F(Archives, need_their_digest) {
  const std::string bytes = make({{"a", "1"}});
  // Without the member digest.txt: its header, its block, and the end.
  const std::string rest = bytes.substr(0, 1024) + std::string(1024, '\0');
  const auto members = read_archive(rest);
  ASSERT_FALSE(members);
  EXPECT_THAT(members.error().detail, HasSubstr("digest.txt"));
}

}  // namespace
}  // namespace oa::runtime
