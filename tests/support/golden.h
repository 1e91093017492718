// Comparing with a checked-in file. With the environment variable UPDATE_GOLDEN=1 the file is
// written instead, to be read before it is committed.
//
// Thread-safety: for one test at a time.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace oa::test {

// `path` is below tests/golden. OPENAGENTS_GOLDEN_DIR is defined by the build.
inline void expect_golden(const std::string& path, const std::string& actual) {
  const std::string file = std::string(OPENAGENTS_GOLDEN_DIR) + "/" + path;
  if (std::getenv("UPDATE_GOLDEN")) {
    std::ofstream(file) << actual;
    return;
  }
  std::ifstream in(file);
  ASSERT_TRUE(in) << file << " must exist; UPDATE_GOLDEN=1 writes it";
  std::ostringstream wanted;
  wanted << in.rdbuf();
  EXPECT_EQ(actual, wanted.str()) << "differs from " << file;
}

}  // namespace oa::test
