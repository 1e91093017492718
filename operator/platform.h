// What the operator was installed with: the same for every agent.
//
// Thread-safety: a plain value, constant after start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace oa::op {

inline constexpr const char* kManager =
    "openagents-operator";  // field manager and managed-by label

struct Platform {
  std::string runtime_image;  // for agents whose spec names none
  std::optional<std::int64_t>
      fs_group;  // group that may write the disk; absent where the platform assigns one
};

}  // namespace oa::op
