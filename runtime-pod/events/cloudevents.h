// CloudEvents 1.0.2 over HTTP: what a request carries, as values.
//
// Binary (the attributes are `ce-` headers and the body is the data), structured
// (application/cloudevents+json) and batched (application/cloudevents-batch+json). Times are kept
// in microseconds.
//
// Thread-safety: pure functions on values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/json.h"
#include "core/result.h"
#include "libs/net/message.h"

namespace oa::runtime {

inline constexpr std::size_t kMaxEventAttributes = 64;
inline constexpr std::size_t kMaxEventAttributeBytes = 64 * 1024;  // of names and values together
inline constexpr std::size_t kMaxEventBatch = 1000;

struct CloudEvent {
  std::string id;      // not empty
  std::string source;  // a URI-reference, not empty; (source, id) names the event
  std::string type;    // not empty
  std::optional<std::string> subject;
  std::optional<Time> time;
  std::optional<std::string> dataschema;
  std::optional<std::string> datacontenttype;
  std::map<std::string, Json> extensions;  // each a string, a boolean or a 32-bit integer
  std::optional<Payload> data;             // absent: none, which is not the same as null
};

// Every event of a request, in order; all of them are well-formed, or none is given.
// INVALID_REQUEST names the attribute (`id`, `events[3].source`); its reason is
// UnsupportedMediaType for formats other than JSON, and PayloadTooLarge for more than the limits
// above.
Result<std::vector<CloudEvent>> parse_cloudevents(const net::Headers& headers,
                                                  std::string_view body);

// The structured form, as handlers see an event.
Json to_json(const CloudEvent& event);

// The same for events that are the same, of source and id, and never for others. 46 characters that
// stand in a URL as they are.
std::string envelope_id(const CloudEvent& event);

// The answer to OPTIONS by which a sender asks whether it may send (HTTP 1.1 Web Hooks for Event
// Delivery, section 4): any origin may, as what it sends is checked anyway. `per_minute` bounds the
// rate that it gets; absent: no bound. INVALID_REQUEST for a request that asks for nothing.
Result<net::Headers> webhook_handshake(const net::Headers& request,
                                       std::optional<std::int64_t> per_minute);

}  // namespace oa::runtime
