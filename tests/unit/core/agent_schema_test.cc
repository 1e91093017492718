#include "core/agent_schema.h"

#include <functional>

#include <gtest/gtest.h>

namespace oa {
namespace {

using schema::Field;
using schema::Kind;

void for_each_field(const Field& field, const std::string& path,
                    const std::function<void(const Field&, const std::string&)>& visit) {
  visit(field, path);
  for (const Field& child : field.fields) for_each_field(child, path + "." + child.name, visit);
  for (const Field& item : field.items) for_each_field(item, path + "[]", visit);
}

void for_each_field_of_the_agent(
    const std::function<void(const Field&, const std::string&)>& visit) {
  for_each_field(agent_spec_schema(), "spec", visit);
  for_each_field(agent_status_schema(), "status", visit);
}

TEST(AgentTable, describes_every_field_in_sentences) {
  for_each_field_of_the_agent([](const Field& field, const std::string& path) {
    EXPECT_TRUE(field.description.ends_with(".")) << path << ": " << field.description;
  });
}

TEST(AgentTable, bounds_every_string_list_and_map) {
  for_each_field_of_the_agent([](const Field& field, const std::string& path) {
    const bool sized = (field.kind == Kind::kString && field.enumeration.empty()) ||
                       field.kind == Kind::kCron || field.kind == Kind::kList ||
                       field.kind == Kind::kMap || field.kind == Kind::kAny;
    EXPECT_EQ(sized, field.max_length > 0) << path;
  });
}

TEST(AgentTable, names_each_default_in_its_description) {
  for_each_field(agent_spec_schema(), "spec", [](const Field& field, const std::string& path) {
    if (field.default_value.is_null() || field.kind == Kind::kObject) return;
    const std::string shown = field.default_value.is_string()
                                  ? field.default_value.get<std::string>()
                                  : field.default_value.dump();
    EXPECT_NE(field.description.find("Default " + shown), std::string::npos)
        << path << ": " << field.description;
  });
}

TEST(AgentTable, has_defaults_that_pass_its_own_checks) {
  const Json filled = schema::with_defaults(agent_spec_schema(), Json::object());
  EXPECT_TRUE(
      schema::validate(agent_spec_schema(), filled, "spec", schema::Unknown::kRefuse).empty());
  EXPECT_EQ(schema::with_defaults(agent_spec_schema(), filled), filled);
}

TEST(AgentTable, treats_null_as_absent_as_the_api_server_does) {
  const Json filled =
      schema::with_defaults(agent_spec_schema(), {{"replicas", nullptr}, {"image", nullptr}});
  EXPECT_EQ(filled.at("replicas"), 1);
  EXPECT_FALSE(filled.contains("image"));
}

TEST(AgentCrd, says_must_in_every_message) {
  std::function<void(const OrderedJson&)> visit = [&](const OrderedJson& node) {
    if (node.is_object() && node.contains("rule")) {
      EXPECT_NE(node.at("message").get<std::string>().find("must "), std::string::npos)
          << node.dump();
    }
    for (const auto& child : node) {
      if (child.is_structured()) visit(child);
    }
  };
  visit(agent_crd());
}

}  // namespace
}  // namespace oa
