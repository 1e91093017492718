#include "runtime-pod/verbs/sleep.h"

#include <utility>

namespace oa::runtime {

void hibernate_agent(const Services& services, const AgentId& agent,
                     std::function<void(Result<bool>)> done) {
  // One that sleeps is loaded for it, which tells whether there is such an agent.
  find_agent(services, agent,
             [&services, agent, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               done(services.host.release(agent));
             });
}

void wake_agent(const Services& services, const AgentId& agent,
                std::function<void(Result<void>)> done) {
  find_agent(services, agent,
             [agent, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               if ((*found)->spec()->replicas > 0) return done({});
               done(make_error(Code::kConflict, "Suspended",
                               "agent " + to_string(agent) +
                                   " is suspended: its spec.replicas must be 1 for it to wake"));
             });
}

}  // namespace oa::runtime
