#include "runtime-pod/http/openapi.h"

#include "runtime-pod/http/schemas.h"

namespace oa::runtime {
namespace {

using namespace openapi;

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

OrderedJson components() {
  OrderedJson all = schemas();
  all["Problem"] = problem();
  return {{"schemas", std::move(all)}};
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

OrderedJson request_body(const Route& route) {
  if (!route.input.empty()) {
    return {{"required", true},
            {"content", {{"application/json", {{"schema", reference(route.input)}}}}}};
  }
  if (route.body == Body::kManifest) {
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
  if (route.body != Body::kNone) out["requestBody"] = request_body(route);
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
