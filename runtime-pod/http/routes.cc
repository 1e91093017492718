#include "runtime-pod/http/routes.h"

#include <algorithm>

namespace oa::runtime {
namespace {

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kAnyType = "*/*";

constexpr Parameter kLimit = {"limit", "query", "integer", "How many items: 1 to 1000."};
constexpr Parameter kCursor = {"cursor", "query", "string", "Go on after an earlier list's end."};
constexpr Parameter kIfMatch = {"If-Match", "header", "string",
                                "Write only if the key has one of these ETags, or any (*)."};

std::vector<Route> make_routes() {
  return {
      {Verb::kRun,
       Scope::kAgent,
       "POST",
       "/run",
       "Run the agent with the body as its input and wait for the answer.",
       Body::kAny,
       {{"traceparent", "header", "string", "W3C trace context."}},
       {{200, "The answer, once everything that the run changed is durable.", kJsonType,
         "RunResult"}}},
      {Verb::kKvList,
       Scope::kAgent,
       "GET",
       "/kv",
       "List keys in order.",
       Body::kNone,
       {{"prefix", "query", "string", "Only keys that begin with it."}, kLimit, kCursor},
       {{200, "Keys with the size, type and ETag of their values.", kJsonType, "KeyList"}}},
      {Verb::kKvGet,
       Scope::kAgent,
       "GET",
       "/kv/{key}",
       "Read a value.",
       Body::kNone,
       {},
       {{200, "The value as it was put, with its type and ETag.", kAnyType, ""}}},
      {Verb::kKvPut,
       Scope::kAgent,
       "PUT",
       "/kv/{key}",
       "Write a value of at most 2 MiB.",
       Body::kAny,
       {kIfMatch,
        {"If-None-Match", "header", "string", "With *: write only if the key does not exist."}},
       {{201, "The key was made.", "", ""},
        {204, "The key had a value, which was replaced.", "", ""}}},
      {Verb::kKvDelete,
       Scope::kAgent,
       "DELETE",
       "/kv/{key}",
       "Delete a key.",
       Body::kNone,
       {kIfMatch},
       {{204, "The key is gone.", "", ""}}},
      {Verb::kState,
       Scope::kAgent,
       "GET",
       "/state",
       "The agent's state as of its last tick; null before the first.",
       Body::kNone,
       {},
       {{200, "The state.", kJsonType, ""}}},
      {Verb::kStatus,
       Scope::kAgent,
       "GET",
       "/status",
       "What the agent is and does.",
       Body::kNone,
       {},
       {{200, "The status.", kJsonType, "Status"}}},
      {Verb::kTicks,
       Scope::kAgent,
       "GET",
       "/ticks",
       "Committed ticks, newest first.",
       Body::kNone,
       {kLimit, kCursor},
       {{200, "Records of ticks.", kJsonType, "TickList"}}},
      {Verb::kAgentList,
       Scope::kAgents,
       "GET",
       "",
       "List the namespace's agents by name.",
       Body::kNone,
       {kLimit, kCursor},
       {{200, "Manifests.", kJsonType, "AgentList"}}},
      {Verb::kAgentCreate,
       Scope::kAgents,
       "POST",
       "",
       "Create an agent; 409 if it exists with another manifest.",
       Body::kManifest,
       {},
       {{201, "The agent was created.", kJsonType, "Agent"},
        {200, "The same agent existed already.", kJsonType, "Agent"}}},
      {Verb::kAgentGet,
       Scope::kAgents,
       "GET",
       "/{name}",
       "Read an agent's manifest.",
       Body::kNone,
       {},
       {{200, "The manifest.", kJsonType, "Agent"}}},
      {Verb::kAgentPut,
       Scope::kAgents,
       "PUT",
       "/{name}",
       "Create an agent or replace its manifest.",
       Body::kManifest,
       {},
       {{201, "The agent was created.", kJsonType, "Agent"},
        {200, "The manifest is in effect.", kJsonType, "Agent"}}},
      {Verb::kAgentDelete,
       Scope::kAgents,
       "DELETE",
       "/{name}",
       "Delete an agent with all of its data.",
       Body::kNone,
       {},
       {{204, "The agent is gone.", "", ""}}},
      {Verb::kHealth,
       Scope::kProcess,
       "GET",
       "/healthz",
       "Is the process sound?",
       Body::kNone,
       {},
       {{200, "It is.", "text/plain", ""}}},
      {Verb::kReady,
       Scope::kProcess,
       "GET",
       "/readyz",
       "Are requests taken?",
       Body::kNone,
       {},
       {{200, "They are.", "text/plain", ""}}},
      {Verb::kOpenApi,
       Scope::kProcess,
       "GET",
       "/openapi.json",
       "This description.",
       Body::kNone,
       {},
       {{200, "OpenAPI 3.1.", kJsonType, ""}}},
  };
}

// "/kv/{key}" -> "kv", "{key}"
std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

// Fits the segments into the template, and takes the parameters from them.
bool fit(const std::vector<std::string>& pattern, std::span<const std::string> segments,
         Match& match) {
  if (pattern.size() != segments.size()) return false;
  Match found;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (pattern[i] == "{namespace}") {
      found.namespace_name = segments[i];
    } else if (pattern[i] == "{name}") {
      found.name = segments[i];
    } else if (pattern[i] == "{key}") {
      found.key = segments[i];
    } else if (pattern[i] != segments[i]) {
      return false;
    }
  }
  found.allow = std::move(match.allow);
  match = std::move(found);
  return true;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> all = make_routes();
  return all;
}

std::vector<ServedPath> served_paths(Mode mode) {
  std::vector<ServedPath> paths;
  for (const Route& route : routes()) {
    const std::string path(route.path);
    if (route.scope == Scope::kProcess || (route.scope == Scope::kAgent && mode == Mode::kPod)) {
      paths.push_back({path, &route});
    } else if (mode == Mode::kDaemon) {
      const std::string agents = route.scope == Scope::kAgent ? "/agents/{name}" : "/agents";
      paths.push_back({agents + path, &route});
      paths.push_back({"/namespaces/{namespace}" + agents + path, &route});
    }
  }
  return paths;
}

std::string_view route_label(const Route& route) {
  if (route.scope != Scope::kAgents) return route.path;
  return route.path.empty() ? "/agents" : "/agents/{name}";
}

Router::Router(Mode mode) {
  for (const ServedPath& served : served_paths(mode)) {
    entries_.push_back({split(served.path), served.route});
  }
}

Match Router::match(std::string_view method, std::span<const std::string> segments) const {
  Match match;
  for (const Entry& entry : entries_) {
    if (!fit(entry.segments, segments, match)) continue;
    if (entry.route->method == method) {
      match.route = entry.route;
      return match;
    }
    match.allow += (match.allow.empty() ? "" : ", ") + std::string(entry.route->method);
  }
  return match;
}

}  // namespace oa::runtime
