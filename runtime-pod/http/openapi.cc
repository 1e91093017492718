#include "runtime-pod/http/openapi.h"

#include "core/agent_schema.h"
#include "core/schema.h"

namespace oa::runtime {
namespace {

OrderedJson reference(std::string_view schema) {
  if (schema.empty()) return OrderedJson::object();
  return {{"$ref", "#/components/schemas/" + std::string(schema)}};
}

OrderedJson text() { return {{"type", "string"}}; }
OrderedJson integer() { return {{"type", "integer"}}; }
OrderedJson number() { return {{"type", "number"}}; }
OrderedJson boolean() { return {{"type", "boolean"}}; }
OrderedJson time() { return {{"type", "string"}, {"format", "date-time"}}; }

OrderedJson object(OrderedJson properties) {
  return {{"type", "object"}, {"properties", std::move(properties)}};
}

OrderedJson list_of(OrderedJson item) {
  return object({{"items", {{"type", "array"}, {"items", std::move(item)}}}, {"cursor", text()}});
}

OrderedJson problem() {
  return object({{"type", text()},
                 {"title", text()},
                 {"status", integer()},
                 {"code", text()},
                 {"reason", text()},
                 {"detail", text()},
                 {"retryable", boolean()},
                 {"errors",
                  {{"type", "array"},
                   {"items", object({{"path", text()}, {"value", text()}, {"must", text()}})}}},
                 {"traceId", text()}});
}

OrderedJson status() {
  return object({{"namespace", text()},
                 {"name", text()},
                 {"uid", text()},
                 {"epoch", integer()},
                 {"handler", text()},
                 {"suspended", boolean()},
                 {"running", boolean()},
                 {"waiting", integer()},
                 {"lastTickId", text()},
                 {"commits", integer()},
                 {"storageBytes", integer()},
                 {"maxStorageBytes", integer()},
                 {"createdAt", time()},
                 {"lastActiveTime", time()}});
}

OrderedJson tick() {
  return object({{"id", text()},
                 {"time", time()},
                 {"tickId", text()},
                 {"trigger", text()},
                 {"envelopeId", text()},
                 {"source", text()},
                 {"attempt", integer()},
                 {"outcome", text()},
                 {"durationMs", number()},
                 {"traceId", text()}});
}

OrderedJson run_result() {
  return object({{"output", OrderedJson::object()},
                 {"tickId", text()},
                 {"envelopeId", text()},
                 {"usage", object({{"durationMs", number()},
                                   {"steps", integer()},
                                   {"tokensIn", integer()},
                                   {"tokensOut", integer()},
                                   {"storageBytes", integer()}})}});
}

OrderedJson agent() {
  OrderedJson manifest = object({{"apiVersion", text()},
                                 {"kind", text()},
                                 {"metadata", {{"type", "object"}}},
                                 {"spec", schema::to_openapi(agent_spec_schema())}});
  manifest["required"] = {"apiVersion", "kind", "metadata"};
  return manifest;
}

OrderedJson components() {
  const OrderedJson key =
      object({{"key", text()}, {"bytes", integer()}, {"contentType", text()}, {"etag", text()}});
  return {{"schemas",
           {{"Problem", problem()},
            {"RunResult", run_result()},
            {"KeyList", list_of(key)},
            {"Status", status()},
            {"TickList", list_of(tick())},
            {"Agent", agent()},
            {"AgentList", list_of(reference("Agent"))}}}};
}

OrderedJson path_parameters(const std::string& path) {
  OrderedJson parameters = OrderedJson::array();
  std::size_t at = 0;
  while ((at = path.find('{', at)) != std::string::npos) {
    const std::size_t end = path.find('}', at);
    parameters.push_back({{"name", path.substr(at + 1, end - at - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", text()}});
    at = end;
  }
  return parameters;
}

OrderedJson request_body(Body body) {
  if (body == Body::kManifest) {
    const OrderedJson schema = {{"schema", reference("Agent")}};
    return {{"required", true},
            {"content", {{"application/json", schema}, {"application/yaml", schema}}}};
  }
  return {{"content", {{"*/*", OrderedJson::object()}}}};
}

OrderedJson responses(const Route& route) {
  OrderedJson out = OrderedJson::object();
  for (const ResponseDoc& doc : route.answers) {
    OrderedJson response = {{"description", doc.about}};
    if (!doc.content_type.empty()) {
      response["content"][std::string(doc.content_type)]["schema"] = reference(doc.schema);
    }
    out[std::to_string(doc.status)] = std::move(response);
  }
  out["default"] = {
      {"description", "A problem (RFC 9457)."},
      {"content", {{"application/problem+json", {{"schema", reference("Problem")}}}}}};
  return out;
}

OrderedJson operation(const ServedPath& served) {
  const Route& route = *served.route;
  OrderedJson parameters = path_parameters(served.path);
  for (const Parameter& parameter : route.parameters) {
    parameters.push_back({{"name", parameter.name},
                          {"in", parameter.in},
                          {"description", parameter.about},
                          {"schema", {{"type", parameter.type}}}});
  }
  OrderedJson out = {{"summary", route.summary}};
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (route.body != Body::kNone) out["requestBody"] = request_body(route.body);
  out["responses"] = responses(route);
  return out;
}

std::string lower(std::string_view method) {
  std::string out(method);
  for (char& c : out) c = static_cast<char>(c - 'A' + 'a');
  return out;
}

}  // namespace

OrderedJson openapi_document(Mode mode, const std::string& version) {
  OrderedJson paths = OrderedJson::object();
  for (const ServedPath& served : served_paths(mode)) {
    paths[served.path.empty() ? "/" : served.path][lower(served.route->method)] = operation(served);
  }
  return {{"openapi", "3.1.0"},
          {"info", {{"title", "OpenAgents runtime"}, {"version", version}}},
          {"paths", std::move(paths)},
          {"components", components()}};
}

}  // namespace oa::runtime
