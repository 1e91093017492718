#include "core/json.h"

#include <random>

#include <gtest/gtest.h>

namespace oa {
namespace {

TEST(ParseJson, refuses_malformed_text_and_says_where) {
  for (const char* text :
       {"", "{", "{\"a\":}", "[1,]", "nul", "{\"a\":1}x", "\"\xFF\"", "{'a':1}"}) {
    const auto parsed = parse_json(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().detail.find("the body must be valid JSON: "), std::string::npos);
    EXPECT_NE(parsed.error().detail.find("line 1"), std::string::npos) << parsed.error().detail;
  }
}

TEST(ParseJson, refuses_deep_nesting_before_it_costs_a_stack) {
  EXPECT_TRUE(parse_json(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse_json(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(parse_json(std::string(10'000'000, '[')));
  EXPECT_TRUE(parse_json("\"" + std::string(1000, '[') + "\""));
}

TEST(ParseYaml, reads_plain_scalars_by_the_core_schema) {
  const auto yaml = parse_yaml(R"(
text: yes
quoted: "true"
flag: true
nothing: ~
empty:
integer: 42
negative: -7
real: 1.5
exponent: 1e3
version: 1.2.3
octal: 0x10
date: 2026-11-21
list: [1, a, "2"]
block: |
  two
  lines
)");
  ASSERT_TRUE(yaml) << to_string(yaml.error());
  EXPECT_EQ(*yaml, (Json{{"text", "yes"},
                         {"quoted", "true"},
                         {"flag", true},
                         {"nothing", nullptr},
                         {"empty", nullptr},
                         {"integer", 42},
                         {"negative", -7},
                         {"real", 1.5},
                         {"exponent", 1000.0},
                         {"version", "1.2.3"},
                         {"octal", "0x10"},
                         {"date", "2026-11-21"},
                         {"list", {1, "a", "2"}},
                         {"block", "two\nlines\n"}}));
}

TEST(ParseYaml, refuses_what_is_not_one_clear_document) {
  struct Row {
    const char* text;
    const char* message;
  };
  const Row rows[] = {
      {"", "must hold a document"},
      {"a: 1\n---\nb: 2\n", "only one document"},
      {"a: 1\na: 2\n", "the key \"a\" must appear only once"},
      {"? [x]\n: 1\n", "every key must be text"},
      {"a: [1, 2\n", "the body must be valid YAML"},
      {"a: *b\n", "the body must be valid YAML"},
      {"a: \xFF\n", "must be UTF-8"},
      {"{\"a\": 1,}", "the body must be valid JSON"},
  };
  for (const Row& row : rows) {
    const auto parsed = parse_yaml(row.text);
    ASSERT_FALSE(parsed) << row.text;
    EXPECT_NE(parsed.error().detail.find(row.message), std::string::npos) << parsed.error().detail;
  }
}

TEST(ParseYaml, is_not_blown_up_by_aliases_or_nesting) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_FALSE(parse_yaml(bomb));
  EXPECT_FALSE(parse_yaml("a: " + std::string(100'000, '[')));
}

TEST(ParseYaml, is_not_blown_up_by_aliases_of_long_texts) {
  const std::string long_text(1'000, 'x');
  for (const std::string& anchored : {long_text, "{" + long_text + ": 1}"}) {
    std::string bomb = "a: &a " + anchored + "\nb:\n";
    for (int i = 0; i < 20'000; ++i) bomb += "- *a\n";
    const auto parsed = parse_yaml(bomb);
    ASSERT_FALSE(parsed);
    EXPECT_NE(parsed.error().detail.find("must not be longer"), std::string::npos);
  }
}

TEST(ParseYaml, takes_one_sign_before_a_number) {
  EXPECT_EQ(parse_yaml("[+5, -5, +-5, -+5, +-0.5]").value(), (Json{5, -5, "+-5", "-+5", "+-0.5"}));
}

TEST(ParseYaml, repeats_what_an_alias_names) {
  const auto yaml = parse_yaml("a: &x {b: [1, 2]}\nc: *x\nd: &y text\ne: [*y, *x]\n");
  ASSERT_TRUE(yaml) << to_string(yaml.error());
  EXPECT_EQ(*yaml, Json::parse(
                       R"({"a":{"b":[1,2]},"c":{"b":[1,2]},"d":"text","e":["text",{"b":[1,2]}]})"));
  EXPECT_FALSE(parse_yaml("a: &x [*x]\n"));
}

TEST(ParseYaml, ends_on_texts_that_the_parser_cannot_get_past) {
  for (const char* text : {",", ",@%\n*{.'", "]", "}", ",`1\t@"})
    EXPECT_FALSE(parse_yaml(text)) << text;
}

TEST(ParseYaml, survives_random_bytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string alphabet = "ab01:-[]{}\"'#&*!|>%@`,? \n\t\\~.";
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (unsigned n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    (void)parse_yaml(text);
    (void)parse_json(text);
  }
}

}  // namespace
}  // namespace oa
