#include "runtime-pod/http/openapi.h"

#include <set>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

class OpenApi : public testing::TestWithParam<Mode> {};

TEST_P(OpenApi, describes_exactly_what_is_served) {
  std::set<std::string> served;
  for (const ServedPath& one : served_paths(GetParam())) {
    served.insert(std::string(one.route->method) + " " + one.path);
  }
  std::set<std::string> described;
  const OrderedJson document = openapi_document(GetParam(), "1.2.3");
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, unused] : operations.items()) {
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      described.insert(upper + " " + path);
    }
  }
  EXPECT_EQ(described, served);
}

TEST_P(OpenApi, names_every_path_parameter_and_resolves_every_reference) {
  const OrderedJson document = openapi_document(GetParam(), "1.2.3");
  EXPECT_EQ(document["openapi"], "3.1.0");
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      std::size_t in_path = 0;
      for (const auto& parameter : operation.value("parameters", OrderedJson::array())) {
        if (parameter["in"] == "path") ++in_path;
      }
      EXPECT_EQ(in_path, static_cast<std::size_t>(std::count(path.begin(), path.end(), '{')));
      EXPECT_TRUE(operation["responses"].contains("default")) << method << path;
    }
  }
  const std::string text = document.dump();
  const std::string mark = "#/components/schemas/";
  for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    const std::size_t from = at + mark.size();
    const std::string name = text.substr(from, text.find('"', from) - from);
    EXPECT_TRUE(document["components"]["schemas"].contains(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, OpenApi, testing::Values(Mode::kDaemon, Mode::kPod),
                         [](const auto& one) {
                           return one.param == Mode::kDaemon ? "daemon" : "pod";
                         });

}  // namespace
}  // namespace oa::runtime
