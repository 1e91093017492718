#include "runtime-pod/verbs/services.h"

#include <utility>

namespace oa::runtime {

void find_agent(const Services& services, const AgentId& id, Host::Found found) {
  services.host.find(id, [id, found = std::move(found)](Result<std::shared_ptr<Actor>> actor) {
    if (actor) return found(std::move(actor));
    const auto name = make_agent_id(id.namespace_name, id.name);
    found(name ? actor.error() : name.error());
  });
}

}  // namespace oa::runtime
