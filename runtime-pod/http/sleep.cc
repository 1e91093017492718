#include "runtime-pod/verbs/sleep.h"

#include <utility>

#include "core/json.h"
#include "core/wire.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {

void post_hibernate(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    hibernate_agent(call->services, call->agent, [call](const Result<bool>& sleeps) {
      if (!sleeps) return call->fail(sleeps.error());
      const OrderedJson body = {{"state", *sleeps ? "Dormant" : "Busy"}};
      net::Response response = net::json_response(200, body.dump());
      // For whoever may end the pod.
      response.headers.add(std::string(wire::kHeaderHibernate), "requested");
      call->answer(std::move(response));
    });
  });
}

void post_wake(const CallPtr& call) {
  with_agent(call, [call](const std::shared_ptr<Actor>&) {
    wake_agent(call->services, call->agent, [call](const Result<void>& awake) {
      if (!awake) return call->fail(awake.error());
      call->answer(net::json_response(200, OrderedJson{{"state", "Awake"}}.dump()));
    });
  });
}

}  // namespace oa::runtime
