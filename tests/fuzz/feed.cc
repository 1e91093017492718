// Event ids, and the records of an agent's log as those who watch see them: whatever the records
// say, events come of them whose ids rise, can be asked for, and stand on one line.
#include "runtime-pod/agent/feed.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;
using namespace oa::runtime;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto id = parse_event_id(text); fuzz::accepted(id)) {
    fuzz::require(to_string(*id) == text, "have one text for one id");
    fuzz::require(record_before(*id) < id->row || id->row == 0, "go on before the event's record");
  }
  // The first line is the record of a tick, the second what it noted.
  const std::size_t line = std::min(text.find('\n'), text.size());
  std::vector<LogRecord> records(2);
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].id = static_cast<std::int64_t>(i) + 7;
    records[i].tick = 3;
    records[i].kind = i == 0 ? LogKind::kTick : LogKind::kEvent;
  }
  records[0].text = text.substr(0, line);
  records[1].text = text.substr(std::min(line + 1, text.size()));
  EventId last;
  for (const StreamEvent& event : events_of(records)) {
    fuzz::require(event.id > last, "show events in the order of their ids");
    last = event.id;
    const auto again = parse_event_id(to_string(event.id));
    fuzz::require(again.ok() && *again == event.id, "read the ids that it shows");
    fuzz::require(Json::accept(event.data) && event.data.find('\n') == std::string::npos,
                  "show JSON on one line");
  }
  return 0;
}
