// What a trigger says to the notebook.
//
// Thread-safety: pure functions on values.
#pragma once

#include <string>

#include "core/envelope.h"
#include "core/result.h"

namespace oa::runtime {

struct Words {
  std::string text;
  bool is_command = true;  // else it is a note as it is, whatever it says
};

// A request's or a job's payload is text, {"text": ...} or invoke/v1's {"messages": [...]}, of
// which the user's last one counts: INVALID_REQUEST otherwise. A schedule's payload says what to
// do; an alarm's is a reminder. Anything else always says something, if only what it is.
Result<Words> words_of(const Trigger& trigger);

}  // namespace oa::runtime
