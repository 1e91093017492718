#include "runtime-pod/grpc/transcode.h"

#include <algorithm>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/rpc/status.pb.h>
#include <openagents/runtime/v1/options.pb.h>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "runtime-pod/http/links.h"

namespace oa::runtime {
namespace {

namespace pb = google::protobuf;
namespace v1 = openagents::runtime::v1;

constexpr std::string_view kJsonType = "application/json";

std::string text_of(const pb::Message& message, const pb::FieldDescriptor& field) {
  const pb::Reflection& values = *message.GetReflection();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(values.GetInt32(message, &field));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return std::to_string(values.GetInt64(message, &field));
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return values.GetBool(message, &field) ? "true" : "false";
    default:
      return values.GetString(message, &field);
  }
}

std::string named_text(const pb::Message& message, const std::string& name) {
  const pb::FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  return field != nullptr ? text_of(message, *field) : std::string();
}

bool is_agents_path(std::string_view path) {
  return path == "/agents" || path.starts_with("/agents/");
}

// Whether the field is told in the path.
bool is_in_path(const pb::FieldDescriptor& field, std::string_view path) {
  return field.name() == "namespace" || field.name() == "agent" ||
         path.find("{" + field.name() + "}") != std::string_view::npos;
}

// "/kv/{key}" with the message's key in its place.
Result<std::string> filled(std::string_view pattern, const pb::Message& message) {
  std::string path;
  while (!pattern.empty()) {
    const std::size_t open = std::min(pattern.find('{'), pattern.size());
    path += pattern.substr(0, open);
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    const std::size_t close = pattern.find('}');
    const std::string name(pattern.substr(1, close - 1));
    const std::string value = named_text(message, name);
    if (value.empty()) return invalid_fields({{name, "\"\"", "be set"}});
    path += path_segment(value);
    pattern.remove_prefix(close + 1);
  }
  return path;
}

// Where the rpc's path stands.
Result<std::string> prefix(std::string_view path, const pb::Message& message,
                           const std::optional<AgentId>& own) {
  const std::string given_namespace = named_text(message, "namespace");
  const std::string given_agent = named_text(message, "agent");
  if (own) {
    const bool fits = (given_namespace.empty() || given_namespace == own->namespace_name) &&
                      (given_agent.empty() || given_agent == own->name);
    if (fits) return std::string();
    return make_error(Code::kNotFound, "agent " + shorten(given_namespace, 64) + "/" +
                                           shorten(given_agent, 64) + " is not served here, only " +
                                           own->namespace_name + "/" + own->name);
  }
  const std::string of_namespace =
      "/namespaces/" + path_segment(given_namespace.empty() ? "default" : given_namespace);
  if (is_agents_path(path)) return of_namespace;
  if (given_agent.empty()) return invalid_fields({{"agent", "\"\"", "be set"}});
  return of_namespace + "/agents/" + path_segment(given_agent);
}

Result<void> add_member(const pb::Message& message, const pb::FieldDescriptor& field, Json& body) {
  const pb::Reflection& values = *message.GetReflection();
  Json& member = body[field.json_name()];
  if (field.options().GetExtension(v1::json)) {
    auto value = parse_json(text_of(message, field));
    if (!value) {
      return make_error(Code::kInvalidRequest,
                        field.json_name() + " must be JSON text: " + value.error().detail);
    }
    member = std::move(*value);
  } else if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
    const pb::Message& inner = values.GetMessage(message, &field);
    std::vector<const pb::FieldDescriptor*> set;
    inner.GetReflection()->ListFields(inner, &set);
    member = Json::object();
    for (const pb::FieldDescriptor* one : set) {
      if (auto good = add_member(inner, *one, member); !good) return good;
    }
  } else if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) {
    member = values.GetBool(message, &field);
  } else if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_INT64) {
    member = values.GetInt64(message, &field);
  } else {
    member = text_of(message, field);
  }
  return {};
}

Result<void> check_header(const std::string& name, std::string_view value) {
  const bool good = std::none_of(value.begin(), value.end(), [](char c) {
    return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
  });
  if (good) return {};
  return invalid_fields({{name, "", "have no control characters"}});
}

// Puts what the message says into the request.
class RequestWriter {
 public:
  RequestWriter(const pb::Message& message, const std::string& path, net::Request& request)
      : message_(message), path_(path), request_(request) {}

  Result<void> write() {
    const pb::Descriptor& type = *message_.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      if (is_in_path(*type.field(i), path_)) continue;
      if (auto good = write(*type.field(i)); !good) return good;
    }
    if (has_json_) {
      request_.headers.set("Content-Type", std::string(kJsonType));
      request_.body = dump(json_);
    }
    return {};
  }

 private:
  Result<void> write(const pb::FieldDescriptor& field) {
    const pb::FieldOptions& options = field.options();
    const bool is_set = message_.GetReflection()->HasField(message_, &field);
    if (options.HasExtension(v1::query)) {
      if (!is_set) return {};
      request_.target += (request_.target.find('?') == std::string::npos ? "?" : "&") +
                         options.GetExtension(v1::query) + "=" +
                         path_segment(text_of(message_, field));
    } else if (options.HasExtension(v1::header)) {
      if (!is_set) return {};
      std::string value = text_of(message_, field);
      if (auto good = check_header(field.json_name(), value); !good) return good;
      request_.headers.add(options.GetExtension(v1::header), std::move(value));
    } else if (options.GetExtension(v1::whole_body)) {
      request_.body = text_of(message_, field);
    } else {
      has_json_ = true;
      if (is_set) return add_member(message_, field, json_);
    }
    return {};
  }

  const pb::Message& message_;
  const std::string& path_;
  net::Request& request_;
  bool has_json_ = false;
  Json json_ = Json::object();
};

std::size_t head_bytes(const net::Request& request) {
  std::size_t bytes = request.target.size();
  for (const auto& [name, value] : request.headers.fields()) bytes += name.size() + value.size();
  return bytes;
}

void set_members(const OrderedJson& json, pb::Message& message);

void set_value(const OrderedJson& json, const pb::FieldDescriptor& field, pb::Message& message) {
  const pb::Reflection& values = *message.GetReflection();
  const bool repeats = field.is_repeated();
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      std::string text = json.is_string() && !field.options().GetExtension(v1::json)
                             ? json.get<std::string>()
                             : json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
      return repeats ? values.AddString(&message, &field, std::move(text))
                     : values.SetString(&message, &field, std::move(text));
    }
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return set_members(json, repeats ? *values.AddMessage(&message, &field)
                                       : *values.MutableMessage(&message, &field));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      if (json.is_number()) values.SetInt64(&message, &field, json.get<std::int64_t>());
      return;
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      if (json.is_number()) values.SetDouble(&message, &field, json.get<double>());
      return;
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      if (json.is_boolean()) values.SetBool(&message, &field, json.get<bool>());
      return;
    default:
      return;
  }
}

// Members that the message does not have are left out: a newer runtime may say more.
void set_members(const OrderedJson& json, pb::Message& message) {
  if (!json.is_object()) return;
  for (const auto& [name, value] : json.items()) {
    const pb::FieldDescriptor* field = message.GetDescriptor()->FindFieldByCamelcaseName(name);
    if (field == nullptr) continue;
    if (field->is_repeated() && value.is_array()) {
      for (const OrderedJson& item : value) set_value(item, *field, message);
    } else if (!field->is_repeated() &&
               (!value.is_null() || field->options().GetExtension(v1::json))) {
      set_value(value, *field, message);
    }
  }
}

bool is_member(const pb::FieldDescriptor& field) {
  const pb::FieldOptions& options = field.options();
  return !options.HasExtension(v1::header) && !options.HasExtension(v1::status) &&
         !options.GetExtension(v1::whole_body);
}

// An answer with members is passed through as bytes only where an agent made them; the HTTP core
// marks these with `nosniff`, whatever type they claim to be.
bool is_raw(const net::Response& answer, const pb::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (is_member(*type.field(i))) return !answer.headers.get("X-Content-Type-Options").empty();
  }
  return true;
}

// Empty unless the value is an object with that member, and this is text.
std::string text_member(const Json& json, const char* name) {
  if (!json.is_object()) return {};
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<Code> code_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Code::kInternal); ++i) {
    if (code_name(static_cast<Code>(i)) == name) return static_cast<Code>(i);
  }
  return std::nullopt;
}

}  // namespace

Result<net::Request> to_http(const pb::MethodDescriptor& rpc, const pb::Message& message,
                             const std::optional<AgentId>& own) {
  const v1::HttpRule& rule = rpc.options().GetExtension(v1::http);
  const auto before = prefix(rule.path(), message, own);
  if (!before) return before.error();
  const auto path = filled(rule.path(), message);
  if (!path) return path.error();
  net::Request request;
  request.method = rule.method();
  request.target = *before + *path;
  if (rpc.server_streaming()) request.headers.add("Accept", "text/event-stream");
  if (auto good = RequestWriter(message, rule.path(), request).write(); !good) return good.error();
  if (head_bytes(request) > kMaxHeadBytes) {
    return make_error(Code::kInvalidRequest, "HeadersTooLarge",
                      "the fields that are not the body have " +
                          std::to_string(head_bytes(request)) + " bytes but must have at most " +
                          std::to_string(kMaxHeadBytes));
  }
  return request;
}

void from_http(const net::Response& answer, pb::Message& reply) {
  const pb::Descriptor& type = *reply.GetDescriptor();
  const pb::Reflection& values = *reply.GetReflection();
  const bool raw = is_raw(answer, type);
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    const pb::FieldOptions& options = field.options();
    if (options.HasExtension(v1::status)) {
      values.SetBool(&reply, &field, options.GetExtension(v1::status) == answer.status);
    } else if (options.HasExtension(v1::header)) {
      const std::string& name = options.GetExtension(v1::header);
      if (raw || !net::same_name(name, "Content-Type")) {
        values.SetString(&reply, &field, std::string(answer.headers.get(name)));
      }
    } else if (raw && options.GetExtension(v1::whole_body)) {
      values.SetString(&reply, &field, answer.body);
    }
  }
  if (raw || answer.body.empty()) return;
  set_members(OrderedJson::parse(answer.body, nullptr, /*allow_exceptions=*/false), reply);
}

std::optional<Problem> read_problem(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  const std::string outer_trace = text_member(json, "traceId");
  for (const char* wrap : {"problem", "error"}) {
    if (json.contains(wrap) && json[wrap].is_object()) json = Json(json[wrap]);
  }
  const auto code = code_named(text_member(json, "code"));
  if (!code) return std::nullopt;
  std::string detail = text_member(json, "detail");
  if (detail.empty()) detail = text_member(json, "message");
  Problem problem{make_error(*code, text_member(json, "reason"), std::move(detail)),
                  text_member(json, "traceId")};
  if (problem.trace_id.empty()) problem.trace_id = outer_trace;
  if (const auto found = json.find("retryable"); found != json.end() && found->is_boolean()) {
    problem.error.retryable = found->get<bool>();
  }
  if (const auto found = json.find("errors"); found != json.end() && found->is_array()) {
    for (const Json& one : *found) {
      problem.error.fields.push_back(
          {text_member(one, "path"), text_member(one, "value"), text_member(one, "must")});
    }
  }
  return problem;
}

std::string status_details(const Problem& problem) {
  const Error& error = problem.error;
  google::rpc::ErrorInfo info;
  info.set_reason(error.reason.empty() ? std::string(code_name(error.code)) : error.reason);
  info.set_domain("openagents.com");
  (*info.mutable_metadata())["code"] = code_name(error.code);
  (*info.mutable_metadata())["retryable"] = error.retryable ? "true" : "false";
  if (!problem.trace_id.empty()) (*info.mutable_metadata())["traceId"] = problem.trace_id;
  google::rpc::Status status;
  status.set_code(grpc_status(error));
  status.set_message(error.detail);
  status.add_details()->PackFrom(info);
  if (!error.fields.empty()) {
    google::rpc::BadRequest wrong;
    for (const FieldError& field : error.fields) {
      google::rpc::BadRequest::FieldViolation& violation = *wrong.add_field_violations();
      violation.set_field(field.path);
      violation.set_description("must " + field.must);
    }
    status.add_details()->PackFrom(wrong);
  }
  return status.SerializeAsString();
}

}  // namespace oa::runtime
