#include "core/agent_schema.h"
#include "core/schema.h"
#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;

OrderedJson agent() {
  OrderedJson manifest = object({{"apiVersion", text()},
                                 {"kind", text()},
                                 {"metadata", {{"type", "object"}}},
                                 {"spec", schema::to_openapi(agent_spec_schema())}});
  manifest["required"] = {"apiVersion", "kind", "metadata"};
  return manifest;
}

}  // namespace

RouteTable agents_routes() {
  return {{{list_agents,
            Scope::kAgents,
            "GET",
            "",
            "List the namespace's agents by name.",
            Body::kNone,
            {kLimit, kCursor},
            {{200, "Manifests.", kJsonType, "AgentList"}}},
           {create_agent,
            Scope::kAgents,
            "POST",
            "",
            "Create an agent; 409 if it exists with another manifest.",
            Body::kManifest,
            {},
            {{201, "The agent was created.", kJsonType, "Agent"},
             {200, "The same agent existed already.", kJsonType, "Agent"}}},
           {get_agent,
            Scope::kAgents,
            "GET",
            "/{name}",
            "Read an agent's manifest.",
            Body::kNone,
            {},
            {{200, "The manifest.", kJsonType, "Agent"}}},
           {put_agent,
            Scope::kAgents,
            "PUT",
            "/{name}",
            "Create an agent or replace its manifest.",
            Body::kManifest,
            {},
            {{201, "The agent was created.", kJsonType, "Agent"},
             {200, "The manifest is in effect.", kJsonType, "Agent"}}},
           {delete_agent,
            Scope::kAgents,
            "DELETE",
            "/{name}",
            "Delete an agent with all of its data.",
            Body::kNone,
            {},
            {{204, "The agent is gone.", "", ""}}}},
          {{"Agent", agent()}, {"AgentList", list_of(reference("Agent"))}}};
}

}  // namespace oa::runtime
