#include "runtime-pod/secrets.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ReadSecret : public testing::Test {
 protected:
  void write(const std::string& text) {
    std::filesystem::create_directory(dir.file("hooks"));
    std::ofstream(dir.file("hooks/key"), std::ios::binary) << text;
  }
  Result<std::vector<std::string>> read() { return read_secret(dir.path(), {"hooks", "key"}); }

  oa::test::TempDir dir;
};

TEST_F(ReadSecret, gives_one_value_for_each_line) {
  write("new\r\nold\n\n");
  EXPECT_THAT(read().value(), ElementsAre("new", "old"));
  write("only");
  EXPECT_THAT(read().value(), ElementsAre("only"));
  write("");
  EXPECT_THAT(read().value(), IsEmpty());
}

TEST_F(ReadSecret, names_the_secret_that_is_missing) {
  const auto none = read();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, "SecretMissing");
  std::filesystem::create_directories(dir.file("hooks/key"));
  EXPECT_FALSE(read());
}

}  // namespace
}  // namespace oa::runtime
