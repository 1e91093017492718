#include "runtime-pod/http/host_check.h"

#include <vector>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

struct Row {
  const char* host;
  const char* origin;
  const char* reason;  // empty: let through
};

TEST(HostCheck, keeps_foreign_names_and_origins_out) {
  const std::vector<std::string> allowed = {"agents.example.com"};
  const Row rows[] = {
      {"localhost:8080", "", ""},
      {"LOCALHOST", "", ""},
      {"app.localhost:1", "", ""},
      {"127.0.0.1:8080", "", ""},
      {"[::1]:8080", "", ""},
      {"192.168.1.7:8080", "", ""},
      {"agents.example.com", "", ""},
      {"agents.example.com.", "", ""},
      {"evil.example", "", "ForeignHost"},
      {"localhost.evil.example", "", "ForeignHost"},
      {"127.0.0.1.evil.example", "", "ForeignHost"},
      {"", "", "ForeignHost"},
      {"[", "", "ForeignHost"},
      {"127.0.0.1:8080", "http://localhost:3000", ""},
      {"127.0.0.1:8080", "http://[::1]:3000", ""},
      {"192.168.1.7:8080", "http://192.168.1.7:8080", ""},
      {"127.0.0.1:8080", "https://agents.example.com", ""},
      {"127.0.0.1:8080", "http://evil.example", "ForeignOrigin"},
      {"127.0.0.1:8080", "http://192.168.1.7:8080", "ForeignOrigin"},
      {"127.0.0.1:8080", "null", "ForeignOrigin"},
  };
  for (const Row& row : rows) {
    const auto result = check_host(row.host, row.origin, allowed);
    EXPECT_EQ(result ? "" : result.error().reason, row.reason) << row.host << " " << row.origin;
    EXPECT_TRUE(result || result.error().code == Code::kUnauthorized);
  }
}

}  // namespace
}  // namespace oa::runtime
