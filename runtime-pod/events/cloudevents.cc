#include "runtime-pod/events/cloudevents.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "core/text.h"
#include "libs/crypto/digest.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kPrefix = "ce-";
constexpr std::string_view kSpecVersion = "1.0";
constexpr std::string_view kJsonFormat = "application/cloudevents+json";
constexpr std::string_view kJsonBatchFormat = "application/cloudevents-batch+json";
constexpr std::string_view kAnyFormat = "application/cloudevents";

Error wrong(std::string path, std::string_view value, std::string must) {
  return invalid_fields({{std::move(path), shorten(value, 64), std::move(must)}});
}

// An error about one of many events says which.
Error within(const std::string& prefix, Error error) {
  if (prefix.empty() || error.fields.empty()) return error;
  std::vector<FieldError> fields = error.fields;
  for (FieldError& field : fields) field.path = prefix + "." + field.path;
  Error named = invalid_fields(std::move(fields));
  named.reason = error.reason;
  return named;
}

bool is_lower_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_attribute_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), is_lower_alphanumeric);
}

// UTF-8 without control characters: C0, DEL and, as C2 80 to C2 9F, C1.
bool is_event_string(std::string_view text) {
  if (!is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x20 || c == 0x7f) return false;
    if (c == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return true;
}

// As far as can be told without resolving it: nothing that a URI must write in percent-encoding.
bool is_uri_reference(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"<>\\^`{|}") == std::string_view::npos;
}

bool is_absolute_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos || !is_uri_reference(text)) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
    return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '.';
  });
}

bool is_media_type(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size();
}

// Attributes of an event as it carries them: all but extensions are strings.
using Attributes = std::map<std::string, Json>;

Error too_large(std::string path, std::string_view value, const std::string& must) {
  Error error = wrong(std::move(path), value, must);
  error.reason = "PayloadTooLarge";
  return error;
}

Result<void> check_limits(const Attributes& attributes) {
  if (attributes.size() > kMaxEventAttributes) {
    return too_large("attributes", std::to_string(attributes.size()),
                     "be at most " + std::to_string(kMaxEventAttributes));
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : attributes) {
    bytes += name.size() + (value.is_string() ? value.get_ref<const std::string&>().size() : 8);
    if (bytes > kMaxEventAttributeBytes) {
      return too_large(
          name, "",
          "be part of at most " + std::to_string(kMaxEventAttributeBytes) + " bytes of attributes");
    }
  }
  return {};
}

Result<void> check_value(const std::string& name, const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    if (is_event_string(text)) return {};
    return wrong(name, text, "be UTF-8 without control characters");
  }
  using Integer = std::numeric_limits<std::int32_t>;
  if (value.is_boolean()) return {};
  if (value.is_number_unsigned()) {
    if (value.get<std::uint64_t>() <= Integer::max()) return {};
  } else if (value.is_number_integer() && value.get<std::int64_t>() >= Integer::min()) {
    return {};
  }
  return wrong(name, dump(value), "be a string, a boolean or a 32-bit integer");
}

// Takes a string that the specification names out of the attributes.
Result<std::optional<std::string>> take(Attributes& attributes, const std::string& name,
                                        bool (*valid)(std::string_view), const std::string& must) {
  const auto found = attributes.find(name);
  if (found == attributes.end()) return std::optional<std::string>();
  if (!found->second.is_string()) return wrong(name, dump(found->second), "be a string");
  std::string text = found->second.get<std::string>();
  if (!valid(text)) return wrong(name, text, must);
  attributes.erase(found);
  return std::optional(std::move(text));
}

bool is_not_empty(std::string_view text) { return !text.empty(); }
bool is_spec_version(std::string_view text) { return text == kSpecVersion; }

struct Named {
  const char* name;
  bool (*valid)(std::string_view);
  const char* must;
  bool required;
};

constexpr Named kNamed[] = {
    {"specversion", is_spec_version, "be 1.0", true},
    {"id", is_not_empty, "not be empty", true},
    {"source", is_uri_reference, "be a URI-reference and not empty", true},
    {"type", is_not_empty, "not be empty", true},
    {"subject", is_not_empty, "not be empty", false},
    {"dataschema", is_absolute_uri, "be an absolute URI", false},
    {"datacontenttype", is_media_type, "be a media type such as application/json", false},
    {"time", [](std::string_view text) { return parse_time(text).ok(); }, "be an RFC 3339 time",
     false},
};

// An event of its attributes, without its data.
Result<CloudEvent> make_event(Attributes attributes) {
  if (Result<void> checked = check_limits(attributes); !checked) return checked.error();
  for (const auto& [name, value] : attributes) {
    if (!is_attribute_name(name)) {
      return wrong(name, name, "be named with lower-case letters and digits only");
    }
    if (Result<void> checked = check_value(name, value); !checked) return checked.error();
  }
  std::map<std::string, std::string> known;
  for (const Named& named : kNamed) {
    auto taken = take(attributes, named.name, named.valid, named.must);
    if (!taken) return taken.error();
    if (*taken) {
      known[named.name] = std::move(**taken);
    } else if (named.required) {
      return wrong(named.name, "", "be set");
    }
  }
  const auto optional = [&](const char* name) -> std::optional<std::string> {
    const auto found = known.find(name);
    return found == known.end() ? std::nullopt : std::optional(std::move(found->second));
  };
  CloudEvent event;
  event.id = std::move(known["id"]);
  event.source = std::move(known["source"]);
  event.type = std::move(known["type"]);
  event.subject = optional("subject");
  event.dataschema = optional("dataschema");
  event.datacontenttype = optional("datacontenttype");
  if (const auto time = optional("time")) event.time = *parse_time(*time);
  event.extensions = std::move(attributes);
  return event;
}

// The value of a header (HTTP binding, section 3.1.3.2): quotes are taken off, then
// percent-encoding is undone, once.
Result<std::string> decode_header(const std::string& name, std::string_view value) {
  std::string text;
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
    value = value.substr(1, value.size() - 2);
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      text += value[i];
    }
  } else {
    text = std::string(value);
  }
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const auto byte = crypto::hex_decode(std::string_view(text).substr(i + 1, 2));
    if (!byte || byte->size() != 1) {
      return wrong(name, value, "have two hex digits after every '%'");
    }
    decoded += *byte;
    i += 2;
  }
  return decoded;
}

// The payload of data in a body or in base64.
Result<Payload> read_data(const std::string& name, const CloudEvent& event, std::string bytes) {
  Result<Payload> payload = read_payload(event.datacontenttype.value_or(""), std::move(bytes));
  if (payload) return payload;
  return wrong(name, "", "be JSON, as datacontenttype says: " + payload.error().detail);
}

Result<CloudEvent> parse_binary(const net::Headers& headers, std::string_view body) {
  Attributes attributes;
  for (const auto& [field, value] : headers.fields()) {
    if (!net::same_name(std::string_view(field).substr(0, kPrefix.size()), kPrefix)) continue;
    std::string name = field.substr(kPrefix.size());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (name == "datacontenttype" || name == "data") {
      return wrong(name, value, "be sent as Content-Type and body, not as a header ce-" + name);
    }
    Result<std::string> text = decode_header(name, value);
    if (!text) return text.error();
    if (!is_event_string(*text)) return wrong(name, *text, "be UTF-8 without control characters");
    if (!attributes.emplace(name, std::move(*text)).second) {
      return wrong(name, value, "be given once");
    }
  }
  const std::string_view type = headers.get("Content-Type");
  if (!type.empty()) attributes["datacontenttype"] = type;
  Result<CloudEvent> event = make_event(std::move(attributes));
  if (!event || body.empty()) return event;
  Result<Payload> data = read_data("data", *event, std::string(body));
  if (!data) return data.error();
  event->data = std::move(*data);
  return event;
}

bool is_json_type(std::string_view content_type) {
  const std::string type = net::media_type(content_type);
  return type == "application/json" || type.ends_with("+json") || type.ends_with("/json");
}

// The member `data` (JSON format, section 3.1).
Result<Payload> read_json_data(const CloudEvent& event, Json value) {
  Payload payload;
  payload.content_type = event.datacontenttype.value_or("application/json");
  if (is_json_type(payload.content_type)) {
    payload.kind = Payload::Kind::kJson;
    payload.json = std::move(value);
  } else if (value.is_string()) {
    payload.kind = Payload::Kind::kText;
    payload.data = value.get<std::string>();
  } else {
    return wrong("data", dump(value), "be a string, as datacontenttype is not JSON");
  }
  return payload;
}

// The member `data_base64`: bytes, unless their type says that they are JSON.
Result<Payload> read_base64_data(const CloudEvent& event, const Json& value) {
  Result<std::string> bytes = value.is_string()
                                  ? crypto::base64_decode(value.get_ref<const std::string&>())
                                  : make_error(Code::kInvalidRequest, "no text");
  if (!bytes) return wrong("data_base64", dump(value), "be base64");
  if (event.datacontenttype) return read_data("data_base64", event, std::move(*bytes));
  Payload payload;
  payload.kind = Payload::Kind::kBytes;
  payload.data = std::move(*bytes);
  return payload;
}

Result<CloudEvent> parse_object(Json json) {
  if (!json.is_object()) {
    return make_error(Code::kInvalidRequest, "a CloudEvent must be a JSON object");
  }
  std::optional<Json> data;
  std::optional<Json> base64;
  Attributes attributes;
  for (auto& [name, value] : json.get_ref<Json::object_t&>()) {
    if (name == "data") {
      data = std::move(value);
    } else if (value.is_null()) {
      continue;  // an attribute that is not set
    } else if (name == "data_base64") {
      base64 = std::move(value);
    } else {
      attributes.emplace(name, std::move(value));
    }
  }
  if (data && base64) return wrong("data_base64", "", "not be set together with data");
  Result<CloudEvent> event = make_event(std::move(attributes));
  if (!event || (!data && !base64)) return event;
  Result<Payload> payload =
      data ? read_json_data(*event, std::move(*data)) : read_base64_data(*event, *base64);
  if (!payload) return payload.error();
  event->data = std::move(*payload);
  return event;
}

Result<std::vector<CloudEvent>> parse_batch(Json json) {
  if (!json.is_array()) return wrong("events", shorten(dump(json), 64), "be a JSON array");
  if (json.size() > kMaxEventBatch) {
    return too_large("events", std::to_string(json.size()),
                     "be at most " + std::to_string(kMaxEventBatch));
  }
  std::vector<CloudEvent> events;
  for (Json& member : json) {
    const std::string path = "events[" + std::to_string(events.size()) + "]";
    if (!member.is_object()) return wrong(path, dump(member), "be a JSON object");
    Result<CloudEvent> event = parse_object(std::move(member));
    if (!event) return within(path, event.error());
    events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace

Result<std::vector<CloudEvent>> parse_cloudevents(const net::Headers& headers,
                                                  std::string_view body) {
  const std::string type = net::media_type(headers.get("Content-Type"));
  const bool batch = type == kJsonBatchFormat;
  Result<CloudEvent> event = make_error(Code::kInvalidRequest, "no event");
  if (batch || type == kJsonFormat) {
    Result<Json> json = parse_json(body);
    if (!json) return json.error();
    if (batch) return parse_batch(std::move(*json));
    event = parse_object(std::move(*json));
  } else if (type.starts_with(kAnyFormat)) {
    return make_error(Code::kInvalidRequest, "UnsupportedMediaType",
                      "Content-Type is " + shorten(type, 64) + " but CloudEvents must be " +
                          std::string(kJsonFormat) + ", " + std::string(kJsonBatchFormat) +
                          " or in binary mode");
  } else {
    event = parse_binary(headers, body);
  }
  if (!event) return event.error();
  std::vector<CloudEvent> events;
  events.push_back(std::move(*event));
  return events;
}

Json to_json(const CloudEvent& event) {
  Json json = {{"specversion", kSpecVersion},
               {"id", event.id},
               {"source", event.source},
               {"type", event.type}};
  if (event.subject) json["subject"] = *event.subject;
  if (event.time) json["time"] = format_time_micros(*event.time);
  if (event.dataschema) json["dataschema"] = *event.dataschema;
  if (event.datacontenttype) json["datacontenttype"] = *event.datacontenttype;
  for (const auto& [name, value] : event.extensions) json[name] = value;
  if (!event.data) return json;
  if (event.data->kind == Payload::Kind::kBytes) {
    json["data_base64"] = crypto::base64_encode(event.data->data);
  } else {
    json["data"] = event.data->as_json();
  }
  return json;
}

std::string envelope_id(const CloudEvent& event) {
  // The length says where the source ends, whatever is in it.
  const std::string name = std::to_string(event.source.size()) + ":" + event.source + event.id;
  return "ce-" + crypto::base64url_encode(crypto::bytes_of(crypto::sha256(name)));
}

Result<net::Headers> webhook_handshake(const net::Headers& request,
                                       std::optional<std::int64_t> per_minute) {
  constexpr std::size_t kMaxOrigin = 253;
  const std::string_view origin = request.get("WebHook-Request-Origin");
  if (origin.empty() || origin.size() > kMaxOrigin ||
      !std::all_of(origin.begin(), origin.end(), [](char c) { return c > ' ' && c < '\x7f'; })) {
    return wrong("WebHook-Request-Origin", origin, "be a domain name");
  }
  std::string allowed = per_minute ? std::to_string(*per_minute) : "*";
  if (const auto rate = request.find("WebHook-Request-Rate")) {
    std::int64_t wanted = 0;
    const auto [end, error] = std::from_chars(rate->data(), rate->data() + rate->size(), wanted);
    if (error != std::errc() || end != rate->data() + rate->size() || wanted < 1) {
      return wrong("WebHook-Request-Rate", *rate, "be a number of requests in a minute");
    }
    if (!per_minute || wanted < *per_minute) allowed = std::to_string(wanted);
  }
  return net::Headers{{"Allow", "POST"},
                      {"WebHook-Allowed-Origin", std::string(origin)},
                      {"WebHook-Allowed-Rate", std::move(allowed)}};
}

}  // namespace oa::runtime
