// CloudEvents: what was taken in any mode is the same when it is written in structured mode and
// read.
#include "runtime-pod/events/cloudevents.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [headers, body] = fuzz::message_of(fuzz::text_of(data, size));
  fuzz::accepted(runtime::webhook_handshake(headers, 120));
  const auto events = runtime::parse_cloudevents(headers, body);
  if (!fuzz::accepted(events)) return 0;
  for (const runtime::CloudEvent& event : *events) {
    fuzz::require(!event.id.empty() && !event.source.empty() && !event.type.empty(),
                  "refuse events without a name");
    const std::string text = dump(runtime::to_json(event));
    const auto again =
        runtime::parse_cloudevents({{"Content-Type", "application/cloudevents+json"}}, text);
    fuzz::require(again.ok() && again->size() == 1, "read the events that it writes");
    fuzz::require(dump(runtime::to_json(again->front())) == text, "read the same as it writes");
    const std::string id = runtime::envelope_id(event);
    fuzz::require(id.size() == 46 && runtime::envelope_id(again->front()) == id,
                  "give the same event the same id");
  }
  return 0;
}
