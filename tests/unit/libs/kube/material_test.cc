#include "libs/kube/material.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace oa::kube {
namespace {

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
