#include "runtime-pod/http/routes.h"

#include <algorithm>

#include "runtime-pod/http/tables.h"

namespace oa::runtime {
namespace {

using Table = RouteTable (*)();
// In the order of the document.
constexpr Table kTables[] = {
    run_routes,      message_routes, invoke_routes,   event_routes,   kv_routes,
    alarm_routes,    job_routes,     approval_routes, observe_routes, audit_routes,
    transfer_routes, stream_routes,  socket_routes,   agents_routes,  process_routes,
};

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
    } else if (pattern[i].starts_with('{')) {
      found.parameters.emplace_back(pattern[i].substr(1, pattern[i].size() - 2), segments[i]);
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
  static const std::vector<Route> all = [] {
    std::vector<Route> found;
    for (const Table table : kTables) {
      RouteTable part = table();
      for (Route& route : part.routes) found.push_back(std::move(route));
    }
    return found;
  }();
  return all;
}

OrderedJson schemas() {
  OrderedJson all = OrderedJson::object();
  for (const Table table : kTables) all.update(table().schemas);
  return all;
}

const std::string& Match::parameter(std::string_view wanted) const {
  static const std::string none;
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [wanted](const auto& one) { return one.first == wanted; });
  return found == parameters.end() ? none : found->second;
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
