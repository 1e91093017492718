// What the runtime serves: one table, from which come the matching of requests, the label of the
// metrics and the OpenAPI document (http/openapi.h).
//
// Thread-safety: constants and pure functions; a Router is immutable.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace oa::runtime {

class Call;  // http/api.h
using CallPtr = std::shared_ptr<Call>;
// Answers its call exactly once.
using Serve = void (*)(const CallPtr& call);

// Where a route stands.
enum class Scope {
  kAgent,    // below an agent: at the root in a pod
  kAgents,   // the agents themselves: in the daemon only
  kProcess,  // at the root, everywhere
};

enum class Body { kNone, kAny, kManifest };

struct Parameter {
  std::string_view name;
  std::string_view in;    // "query" or "header"
  std::string_view type;  // JSON Schema's
  std::string_view about;
};

struct ResponseDoc {
  int status;
  std::string_view about;
  std::string_view content_type;  // empty: no body
  std::string_view schema;        // a name of openapi.cc's components; empty: anything
};

struct Route {
  Serve serve;
  Scope scope;
  std::string_view method;
  std::string_view path;  // below its scope, parameters in braces
  std::string_view summary;
  Body body = Body::kNone;
  std::vector<Parameter> parameters{};
  std::vector<ResponseDoc> answers{};
  std::string_view input{};  // of a JSON body: a name of openapi.cc's components; empty: anything
};

// The routes of one area, with the schemas that they name.
struct RouteTable {
  std::vector<Route> routes;
  OrderedJson schemas = OrderedJson::object();  // by name
};

// All of them, from the tables of http/tables.h.
const std::vector<Route>& routes();
OrderedJson schemas();

// Parameters that several routes have.
inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kAnyType = "*/*";
inline constexpr Parameter kLimit = {"limit", "query", "integer", "How many items: 1 to 1000."};
inline constexpr Parameter kCursor = {"cursor", "query", "string",
                                      "Go on after an earlier list's end."};
inline constexpr Parameter kTraceparentHeader = {"traceparent", "header", "string",
                                                 "W3C trace context."};
inline constexpr Parameter kIdempotencyKeyHeader = {
    "Idempotency-Key", "header", "string",
    "A repeat with the same key and body gets the first answer; kept for 24 h."};
inline constexpr Parameter kSenderHeader = {
    "Agent-Sender", "header", "string",
    "Who sends: the agent processes a sender's envelopes in order."};
inline constexpr Parameter kSeqHeader = {"Agent-Seq", "header", "integer",
                                         "The number of the sender's envelope; they must rise."};
inline constexpr Parameter kEnvelopeIdHeader = {
    "Agent-Envelope-Id", "header", "string",
    "The envelope's id; another one with it is taken for a repeat."};
inline constexpr Parameter kExpiresAtHeader = {
    "Agent-Expires-At", "header", "string",
    "An RFC 3339 time: what has not been processed by then will not be."};

enum class Mode { kDaemon, kPod };

// One path as it is served: "/namespaces/{namespace}/agents/{name}/run".
struct ServedPath {
  std::string path;
  const Route* route;
};
std::vector<ServedPath> served_paths(Mode mode);

// A route's label in metrics: the same wherever it stands.
std::string_view route_label(const Route& route);

// What a request leads to.
struct Match {
  const Route* route = nullptr;            // null: nothing is served there
  std::string namespace_name = "default";  // from the path
  std::string name;
  std::vector<std::pair<std::string, std::string>> parameters;  // the others of the path
  std::string allow;  // without a route: the methods that the path has; empty: no such path

  // Of the path; empty if the route has none of that name.
  const std::string& parameter(std::string_view name) const;
};

class Router {
 public:
  explicit Router(Mode mode);
  Match match(std::string_view method, std::span<const std::string> segments) const;

 private:
  struct Entry {
    std::vector<std::string> segments;  // of the path's template
    const Route* route;
  };
  std::vector<Entry> entries_;
};

}  // namespace oa::runtime
