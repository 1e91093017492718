// The built-in handler: an agent that remembers notes. It needs no model, and shows state, retries
// and limits.
//
//   remember X   appends a note (so does any text that is no command) and answers "noted: X"
//   list         answers the notes' texts, in order
//   forget N     takes note N away, counted from 1
//   count        answers how many ticks there were, this one included
//   remind me in 10s: X
//                sets an alarm; its tick appends "reminder: X"
//   fail         fails once, and succeeds when it is tried again
//   big N        writes N bytes to keys "big/0", "big/1", ... of 1 MiB each
//
// The text is the payload's (handlers/notebook_words.h); what comes without one, of those who wait
// for no answer, is noted by what it is: "event: com.example.sold", "schedule: weekly-plan".
//
// State: {"notes": [{"text", "time"}], "ticks": 12}.
//
// Thread-safety: a pure function, and a handler without state.
#pragma once

#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

TickOutcome notebook(const TickInput& input);

class NotebookHandler : public Handler {
 public:
  std::string_view name() const override { return "notebook"; }
  bool is_quick() const override { return true; }
  void run(TickInput input, std::function<void(TickOutcome)> done) override {
    done(notebook(input));
  }
};

}  // namespace oa::runtime
