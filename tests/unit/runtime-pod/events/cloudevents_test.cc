#include "runtime-pod/events/cloudevents.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/text.h"

namespace oa::runtime {
namespace {

using net::Headers;
using ::testing::HasSubstr;

constexpr const char* kStructured = "application/cloudevents+json; charset=utf-8";
constexpr const char* kBatched = "application/cloudevents-batch+json";

Headers binary() {
  return {{"ce-specversion", "1.0"},
          {"ce-type", "com.example.someevent"},
          {"ce-time", "2018-04-05T03:56:24.5Z"},
          {"ce-id", "1234-1234-1234"},
          {"ce-source", "/mycontext/subcontext"},
          {"CE-ComExampleExtension1", "value"},
          {"Content-Type", "application/json; charset=utf-8"}};
}

Result<std::vector<CloudEvent>> parse_structured(const Json& json, const char* type = kStructured) {
  return parse_cloudevents({{"Content-Type", type}}, dump(json));
}

Json minimal() { return {{"specversion", "1.0"}, {"id", "1"}, {"source", "/s"}, {"type", "t"}}; }

// The attribute that an error names.
template <typename T>
std::string named(const Result<T>& result) {
  if (result) return "no error";
  const Error& error = result.error();
  return error.fields.empty() ? error.detail : error.fields[0].path;
}

TEST(CloudEvents, are_read_in_binary_mode) {
  const auto events = parse_cloudevents(binary(), R"({"a": 1})");
  ASSERT_TRUE(events) << events.error().detail;
  ASSERT_EQ(events->size(), 1U);
  const CloudEvent& event = events->front();
  EXPECT_EQ(event.id, "1234-1234-1234");
  EXPECT_EQ(event.source, "/mycontext/subcontext");
  EXPECT_EQ(event.type, "com.example.someevent");
  EXPECT_EQ(event.time, *parse_time("2018-04-05T03:56:24.5Z"));
  EXPECT_EQ(event.datacontenttype, "application/json; charset=utf-8");
  EXPECT_EQ(event.subject, std::nullopt);
  EXPECT_EQ(event.extensions, (std::map<std::string, Json>{{"comexampleextension1", "value"}}));
  ASSERT_TRUE(event.data);
  EXPECT_EQ(event.data->kind, Payload::Kind::kJson);
  EXPECT_EQ(event.data->json, Json({{"a", 1}}));
}

TEST(CloudEvents, keep_bodies_of_every_kind) {
  const auto data = [](const char* type, const std::string& body) {
    Headers headers = binary();
    headers.set("Content-Type", type);
    const auto events = parse_cloudevents(headers, body);
    EXPECT_TRUE(events) << events.error().detail;
    return events->front().data;
  };
  EXPECT_EQ(data("text/plain", "hello")->data, "hello");
  EXPECT_EQ(data("text/plain", "hello")->kind, Payload::Kind::kText);
  EXPECT_EQ(data("image/png", "\x89PNG")->kind, Payload::Kind::kBytes);
}

TEST(CloudEvents, have_no_data_without_a_body) {
  const auto events = parse_cloudevents(binary(), "");
  ASSERT_TRUE(events) << events.error().detail;
  EXPECT_FALSE(events->front().data);
  EXPECT_FALSE(to_json(events->front()).contains("data"));
}

TEST(CloudEvents, undo_the_encoding_of_headers) {
  const auto subject = [](const char* value) {
    Headers headers = binary();
    headers.set("ce-subject", value);
    const auto events = parse_cloudevents(headers, "");
    return events ? *events->front().subject : "error: " + named(events);
  };
  EXPECT_EQ(subject("Euro%20%E2%82%AC%20%F0%9F%98%80"), "Euro € 😀");
  EXPECT_EQ(subject("Euro%20%e2%82%ac"), "Euro €");
  EXPECT_EQ(subject("%2525"), "%25") << "once only";
  EXPECT_EQ(subject(R"("quoted \"text\" %41")"), R"(quoted "text" A)");
  for (const char* bad : {"%", "%4", "%4g", "a%", "%00", "%0A", "%7F", "%C2%80", "%ff", "%C0%80",
                          "%ED%A0%80", "", R"("")"}) {
    EXPECT_EQ(subject(bad), "error: subject") << bad;
  }
}

TEST(CloudEvents, are_read_in_structured_mode) {
  Json json = minimal();
  json["subject"] = "s";
  json["time"] = "2018-04-05T17:31:00Z";
  json["dataschema"] = "https://example.com/schema";
  json["number"] = -5;
  json["flag"] = true;
  json["unset"] = nullptr;
  json["data"] = {{"a", Json::array({1, 2})}};
  const auto events = parse_structured(json);
  ASSERT_TRUE(events) << events.error().detail;
  const CloudEvent& event = events->front();
  EXPECT_EQ(event.dataschema, "https://example.com/schema");
  EXPECT_EQ(event.extensions, (std::map<std::string, Json>{{"number", -5}, {"flag", true}}));
  EXPECT_EQ(event.data->json, json["data"]);
  EXPECT_EQ(event.data->content_type, "application/json");

  json.erase("unset");
  json["time"] = "2018-04-05T17:31:00.000000Z";
  EXPECT_EQ(to_json(event), json);
}

TEST(CloudEvents, read_data_as_its_type_says) {
  const auto data = [](const Json& members) {
    Json json = minimal();
    json.update(members);
    const auto events = parse_structured(json);
    EXPECT_TRUE(events) << events.error().detail;
    // What is written is read back the same.
    EXPECT_EQ(to_json(parse_structured(to_json(events->front()))->front()),
              to_json(events->front()));
    return *events->front().data;
  };
  EXPECT_EQ(data({{"data", "x"}}).kind, Payload::Kind::kJson);
  EXPECT_EQ(data({{"data", nullptr}}).json, nullptr);
  const Payload text = data({{"data", "<a/>"}, {"datacontenttype", "text/xml"}});
  EXPECT_EQ(text.kind, Payload::Kind::kText);
  EXPECT_EQ(text.data, "<a/>");
  const Payload bytes = data({{"data_base64", "AAEC/w=="}});
  EXPECT_EQ(bytes.kind, Payload::Kind::kBytes);
  EXPECT_EQ(bytes.data, std::string("\x00\x01\x02\xff", 4));
  EXPECT_EQ(data({{"data_base64", "eyJhIjoxfQ=="}, {"datacontenttype", "application/json"}}).json,
            Json({{"a", 1}}));
}

TEST(CloudEvents, are_read_in_batches) {
  Json second = minimal();
  second["id"] = "2";
  const auto events = parse_structured(Json::array({minimal(), second}), kBatched);
  ASSERT_TRUE(events) << events.error().detail;
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ((*events)[1].id, "2");
  EXPECT_TRUE(parse_structured(Json::array(), kBatched)->empty());

  second.erase("source");
  EXPECT_EQ(named(parse_structured(Json::array({minimal(), second}), kBatched)),
            "events[1].source");
  EXPECT_EQ(named(parse_structured(Json::array({1}), kBatched)), "events[0]");
  EXPECT_EQ(named(parse_structured(minimal(), kBatched)), "events");

  Json many = Json::array();
  for (std::size_t i = 0; i < kMaxEventBatch; ++i) many.push_back(minimal());
  EXPECT_EQ(parse_structured(many, kBatched)->size(), kMaxEventBatch);
  many.push_back(minimal());
  EXPECT_EQ(parse_structured(many, kBatched).error().reason, "PayloadTooLarge");
}

TEST(CloudEvents, name_the_attribute_that_is_wrong) {
  for (const char* name : {"specversion", "id", "source", "type"}) {
    Json json = minimal();
    json.erase(name);
    EXPECT_EQ(named(parse_structured(json)), name);
    for (const Json& bad : {Json(nullptr), Json(""), Json(1), Json("a\nb"), Json::array()}) {
      json[name] = bad;
      EXPECT_EQ(named(parse_structured(json)), name) << bad;
    }
    Headers headers;
    const Headers whole = binary();
    for (const auto& [field, value] : whole.fields()) {
      if (field != "ce-" + std::string(name)) headers.add(field, value);
    }
    EXPECT_EQ(named(parse_cloudevents(headers, "")), name);
  }
  const std::pair<const char*, Json> cases[] = {{"specversion", "0.3"},
                                                {"specversion", "1.0.2"},
                                                {"source", "a b"},
                                                {"subject", ""},
                                                {"time", "yesterday"},
                                                {"time", 1},
                                                {"dataschema", "/x"},
                                                {"dataschema", ""},
                                                {"datacontenttype", "json"},
                                                {"ext", 1.5},
                                                {"ext", 2147483648},
                                                {"ext", -2147483649},
                                                {"ext", UINT64_MAX},
                                                {"ext", Json::object()},
                                                {"ext", Json::array()},
                                                {"Ext", "x"},
                                                {"my-ext", "x"},
                                                {"my_ext", "x"},
                                                {"", "x"},
                                                {"data_base64", "%"},
                                                {"data_base64", 1},
                                                {"data_base64", "AA"},
                                                {"ext", "\x7f"},
                                                {"ext", "\xc2\x85"}};
  for (const auto& [name, value] : cases) {
    Json json = minimal();
    json[name] = value;
    EXPECT_EQ(named(parse_structured(json)), name) << value;
  }
  Json json = minimal();
  json["data"] = 1;
  json["datacontenttype"] = "text/plain";
  EXPECT_EQ(named(parse_structured(json)), "data");
  json["data_base64"] = "AA==";
  EXPECT_EQ(named(parse_structured(json)), "data_base64");
}

TEST(CloudEvents, refuse_headers_that_binary_mode_has_other_places_for) {
  for (const char* name : {"ce-datacontenttype", "ce-data", "ce-", "ce-a_b", "ce-id", "CE-ID"}) {
    Headers headers = binary();
    headers.add(name, "text/plain");
    EXPECT_FALSE(parse_cloudevents(headers, "")) << name;
  }
  Headers headers = binary();
  EXPECT_EQ(named(parse_cloudevents(headers, "{")), "data");
  EXPECT_EQ(named(parse_cloudevents({{"Content-Type", "application/json"}}, "{}")), "specversion");
}

TEST(CloudEvents, refuse_other_formats) {
  const auto events = parse_cloudevents({{"Content-Type", "application/cloudevents+avro"}}, "x");
  EXPECT_EQ(events.error().reason, "UnsupportedMediaType");
  EXPECT_FALSE(parse_cloudevents({{"Content-Type", kStructured}}, "{"));
  EXPECT_FALSE(parse_cloudevents({{"Content-Type", kStructured}}, "[]"));
  EXPECT_FALSE(parse_cloudevents({{"Content-Type", kStructured}}, ""));
}

TEST(CloudEvents, are_bounded) {
  Json json = minimal();
  for (std::size_t i = json.size(); i < kMaxEventAttributes; ++i) {
    json["x" + std::to_string(i)] = i;
  }
  EXPECT_TRUE(parse_structured(json));
  json["more"] = 1;
  EXPECT_EQ(parse_structured(json).error().reason, "PayloadTooLarge");

  Json large = minimal();
  large["subject"] = std::string(kMaxEventAttributeBytes - 100, 'x');
  EXPECT_TRUE(parse_structured(large));
  large["subject"] = std::string(kMaxEventAttributeBytes, 'x');
  EXPECT_EQ(parse_structured(large).error().reason, "PayloadTooLarge");
  EXPECT_EQ(parse_structured(Json::array({large}), kBatched).error().reason, "PayloadTooLarge");
}

TEST(EnvelopeId, tells_events_apart_by_source_and_id) {
  const std::pair<const char*, const char*> names[] = {
      {"a", "b"}, {"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"1:a", "b"}, {"b", "a"}};
  std::set<std::string> ids;
  for (const auto& [source, id] : names) {
    CloudEvent event;
    event.source = source;
    event.id = id;
    const std::string first = envelope_id(event);
    event.type = "other";
    event.data = Payload{};
    EXPECT_EQ(envelope_id(event), first);
    EXPECT_EQ(first.size(), 46U);
    EXPECT_TRUE(ids.insert(first).second) << source << " " << id;
  }
  CloudEvent event;
  event.source = "/mycontext";
  event.id = "A234";
  // Envelopes of this name are in databases.
  EXPECT_EQ(envelope_id(event), "ce-p-fcOo7fktg-nwQMmDWWEppQqeyLupBPtbyJbvMtw-c");
}

TEST(WebhookHandshake, grants_what_was_asked_within_the_bound) {
  const auto answer = [](const char* rate, std::optional<std::int64_t> bound) {
    Headers request = {{"WebHook-Request-Origin", "eventemitter.example.com"}};
    if (rate) request.set("WebHook-Request-Rate", rate);
    const auto granted = webhook_handshake(request, bound);
    return granted ? std::string(granted->get("WebHook-Allowed-Rate")) : granted.error().detail;
  };
  EXPECT_EQ(answer(nullptr, std::nullopt), "*");
  EXPECT_EQ(answer(nullptr, 100), "100");
  EXPECT_EQ(answer("120", std::nullopt), "120");
  EXPECT_EQ(answer("120", 100), "100");
  EXPECT_EQ(answer("80", 100), "80");
  for (const char* bad : {"", "0", "-1", "x", "1.5", "99999999999999999999"}) {
    EXPECT_THAT(answer(bad, 100), HasSubstr("WebHook-Request-Rate")) << bad;
  }
  const auto granted = webhook_handshake({{"webhook-request-origin", "a.example"}}, {});
  EXPECT_EQ(granted->get("WebHook-Allowed-Origin"), "a.example");
  EXPECT_EQ(granted->get("Allow"), "POST");
  for (const char* bad : {"", "a b", "a\r\nx"}) {
    EXPECT_EQ(webhook_handshake({{"WebHook-Request-Origin", bad}}, {}).error().code,
              Code::kInvalidRequest);
  }
  EXPECT_FALSE(webhook_handshake({}, {}));
}

}  // namespace
}  // namespace oa::runtime
