#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

// The manifest as it is stored, with what the runtime knows about the agent.
Result<OrderedJson> shown(const AgentRow& row) {
  OrderedJson manifest = OrderedJson::parse(row.manifest, nullptr, false);
  if (!manifest.is_object() || !manifest.contains("metadata")) {
    return make_error(Code::kInternal, "Corrupt",
                      "the stored manifest of agent " + to_string(row.id) + " cannot be read");
  }
  manifest["metadata"]["uid"] = row.uid;
  manifest["metadata"]["creationTimestamp"] = format_time_seconds(row.created);
  return manifest;
}

std::string location(const AgentId& id) {
  return "/namespaces/" + id.namespace_name + "/agents/" + id.name;
}

void put(const CallPtr& call, const Agent& agent, PutMode mode) {
  call->services.host.put(agent, mode, "", [call](Result<PutResult> result) {
    if (!result) return call->fail(result.error());
    call->uid = result->row.uid;
    const auto manifest = shown(result->row);
    if (!manifest) return call->fail(manifest.error());
    net::Response response = net::json_response(result->created ? 201 : 200, manifest->dump());
    if (result->created) response.headers.add("Location", location(result->row.id));
    call->answer(std::move(response));
  });
}

void read_and_create(const CallPtr& call) {
  const auto manifest = parse_yaml(call->request.body);
  if (!manifest) return call->fail(manifest.error());
  // Below /namespaces/{namespace} the manifest must be of that namespace; at /agents it may name
  // any.
  const bool in_namespace = call->target.segments.front() == "namespaces";
  const auto agent = parse_agent(
      *manifest, in_namespace ? std::optional(call->match.namespace_name) : std::nullopt);
  if (!agent) return call->fail(agent.error());
  put(call, *agent, PutMode::kCreate);
}

void read_and_put(const CallPtr& call) {
  const auto manifest = parse_yaml(call->request.body);
  if (!manifest) return call->fail(manifest.error());
  const auto agent = parse_agent(*manifest, call->agent.namespace_name);
  if (!agent) return call->fail(agent.error());
  if (agent->id != call->agent) {
    return call->fail(invalid_fields(
        {{"metadata.name", agent->id.name, "be " + call->agent.name + ", as in the path"}}));
  }
  put(call, *agent, PutMode::kApply);
}

}  // namespace

void list_agents(const CallPtr& call) {
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  on_worker(call, [call, limit = *limit] {
    const std::string after(call->target.query_value("cursor").value_or(""));
    const auto page = call->services.reader.list_agents(call->match.namespace_name, after, limit);
    if (!page) return call->fail(page.error());
    OrderedJson body = {{"items", OrderedJson::array()}};
    for (const AgentRow& row : page->items) {
      auto manifest = shown(row);
      if (!manifest) return call->fail(manifest.error());
      body["items"].push_back(std::move(*manifest));
    }
    if (page->next) body["cursor"] = *page->next;
    call->answer(net::json_response(200, body.dump()));
  });
}

void create_agent(const CallPtr& call) {
  if (auto open = call->services.gate.check(); !open) return call->fail(open.error());
  on_worker(call, [call] { read_and_create(call); });
}

void put_agent(const CallPtr& call) {
  if (auto open = call->services.gate.check(); !open) return call->fail(open.error());
  on_worker(call, [call] { read_and_put(call); });
}

void get_agent(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    const auto manifest = shown(actor->row());
    if (!manifest) return call->fail(manifest.error());
    call->answer(net::json_response(200, manifest->dump()));
  });
}

void delete_agent(const CallPtr& call) {
  call->services.host.remove(call->agent, [call](Result<void> removed) {
    if (!removed) return call->fail(removed.error());
    net::Response response;
    response.status = 204;
    call->answer(std::move(response));
  });
}

}  // namespace oa::runtime
