// Prints crds/agent.yaml from the table in core/agent_schema.cc. `make crd` writes the file; a
// check compares it.
#include <iostream>
#include <string>

#include "core/agent_schema.h"

namespace oa {
namespace {

// Block style, two spaces a level. Every text is written in double quotes with JSON's escapes,
// which YAML 1.2 reads alike, so that no value can be taken for a number or a boolean.
void print_yaml(std::ostream& out, const OrderedJson& value, const std::string& indent);

void print_entry(std::ostream& out, const OrderedJson& value, const std::string& indent) {
  if (value.is_structured() && !value.empty()) {
    out << "\n";
    print_yaml(out, value, indent);
  } else {
    out << " " << value.dump() << "\n";
  }
}

void print_yaml(std::ostream& out, const OrderedJson& value, const std::string& indent) {
  if (value.is_object()) {
    for (const auto& [key, entry] : value.items()) {
      out << indent << key << ":";
      print_entry(out, entry, indent + "  ");
    }
    return;
  }
  for (const OrderedJson& entry : value) {
    out << indent << "-";
    print_entry(out, entry, indent + "  ");
  }
}

}  // namespace
}  // namespace oa

int main() {
  std::cout
      << "# Printed by openagents-crdgen from core/agent_schema.cc; `make crd` writes it again.\n";
  oa::print_yaml(std::cout, oa::agent_crd(), "");
  return std::cout.flush() ? 0 : 1;
}
