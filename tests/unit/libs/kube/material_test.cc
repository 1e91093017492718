#include "libs/kube/material.h"

#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

TEST(Base64, reads_back_what_it_wrote) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(base64_encode("user:pass"), "dXNlcjpwYXNz");
}

TEST(Base64, skips_white_space_and_refuses_the_rest) {
  EXPECT_EQ(*base64_decode("dXNl\ncjpw YXNz\r\n"), "user:pass");
  EXPECT_EQ(*base64_decode(""), "");
  for (const char* bad : {"a", "ab", "abc", "****", "=a==", "a===", "====", "ab=c", "dXNl=cjp"}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
}

TEST(ReadFile, tells_an_empty_file_from_an_absent_one) {
  const test::TempDir dir;
  const std::string path = dir.file("f");
  EXPECT_EQ(read_file(path).error().code, Code::kNotFound);
  EXPECT_EQ(read_file(dir.path()).error().code, Code::kNotFound);
  std::ofstream{path};
  EXPECT_EQ(*read_file(path), "");
  std::ofstream(path) << "text";
  EXPECT_EQ(*read_file(path), "text");
}

}  // namespace
}  // namespace oa::kube
