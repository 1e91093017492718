// What the headers of a request say about the envelope that it brings, and how long its caller
// waits.
//
// Thread-safety: functions of what they are given.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/result.h"
#include "libs/net/message.h"
#include "runtime-pod/http/api.h"
#include "runtime-pod/verbs/intake.h"

namespace oa::runtime {

// The body moves along. INVALID_REQUEST for a header that cannot be read.
Result<Intake> read_intake(Call& call);

// RFC 7240. What cannot be read is ignored, as it says.
struct Preferences {
  std::optional<Duration> wait;
  bool respond_async = false;

  // How long a caller waits before it is told to ask later; absent: until the end.
  std::optional<Duration> patience() const;
  // As Preference-Applied says it.
  std::string applied() const;
};
Preferences read_preferences(const net::Headers& headers);

// Whether the Accept header names this media type.
bool accepts(std::string_view accept, std::string_view type);

}  // namespace oa::runtime
