#include "runtime-pod/http/schemas.h"

#include <string>
#include <utility>

namespace oa::runtime::openapi {

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

}  // namespace oa::runtime::openapi
