#include "runtime-pod/handlers/json_node.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

struct Document {
  explicit Document(const char* text) : json(Json::parse(text)), node(json, "", errors) {}

  // "path: must" of each error.
  std::vector<std::string> faults() const {
    std::vector<std::string> texts;
    for (const FieldError& error : errors) texts.push_back(error.path + ": " + error.must);
    return texts;
  }

  Json json;
  std::vector<FieldError> errors;
  JsonNode node;
};

using Faults = std::vector<std::string>;

TEST(JsonNode, reads_members_of_their_kinds) {
  Document document(
      R"({"t": "x", "b": "aGk=", "n": -3, "f": true, "d": "1m", "at": "2026-11-21T08:00:00Z"})");
  EXPECT_EQ(document.node.text("t"), "x");
  EXPECT_EQ(document.node.bytes("b"), "hi");
  EXPECT_EQ(document.node.number("n", 0), -3);
  EXPECT_TRUE(document.node.flag("f", false));
  EXPECT_EQ(document.node.duration("d", Duration{0}), std::chrono::minutes(1));
  EXPECT_EQ(document.node.time("at"), Time(std::chrono::seconds(1795248000)));
  EXPECT_EQ(document.faults(), Faults{});
}

TEST(JsonNode, takes_null_for_absent) {
  Document document(R"({"t": null, "list": null, "o": null})");
  EXPECT_FALSE(document.node.has("t"));
  EXPECT_EQ(document.node.text("t", "otherwise"), "otherwise");
  EXPECT_NE(document.node.raw("t"), nullptr);
  EXPECT_FALSE(document.node.object("o"));
  document.node.each("list", 1, [](const JsonNode&) { FAIL(); });
  EXPECT_EQ(document.faults(), Faults{});
}

TEST(JsonNode, names_the_place_of_every_fault) {
  Document document(R"({"o": {"list": [{"t": 1}, {"t": 2}]}, "n": 1.5, "f": "yes", "b": "!"})");
  document.node.number("n", 0);
  document.node.flag("f", false);
  document.node.bytes("b");
  document.node.text("absent");
  document.node.object("n");
  document.node.object("o")->each("list", 10, [](const JsonNode& item) { item.text("t"); });
  EXPECT_EQ(document.faults(),
            (Faults{"n: be a whole number", "f: be true or false", "b: be base64", "absent: be set",
                    "n: be an object", "o.list[0].t: be text", "o.list[1].t: be text"}));
}

TEST(JsonNode, bounds_lists_and_faults) {
  Document document(R"({"list": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]})");
  document.node.each("list", 19, [](const JsonNode&) { FAIL(); });
  EXPECT_EQ(document.faults(), Faults{"list: have at most 19 items"});
  document.node.each("list", 20, [](const JsonNode& item) { item.own_text(); });
  EXPECT_EQ(document.errors.size(), 16u);
}

TEST(JsonNode, says_what_a_check_said_once) {
  Document document(R"({"t": "x", "n": 1})");
  const Error error = make_error(Code::kInvalidRequest, "the name must be longer");
  document.node.check(error, "t");
  document.node.check(error, "absent");
  document.node.check(error, "n");
  EXPECT_EQ(document.faults(), Faults{"t: be longer"});
}

TEST(JsonNode, shows_little_of_a_large_value) {
  const std::string text = "\"" + std::string(1'000'000, 'x') + "\"";
  Document document(("{\"t\": " + text + "}").c_str());
  document.node.number("t", 0);
  ASSERT_EQ(document.errors.size(), 1u);
  EXPECT_LE(document.errors[0].value.size(), 66u);
}

}  // namespace
}  // namespace oa::runtime
