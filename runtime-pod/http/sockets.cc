#include <utility>

#include "libs/net/websocket.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/sockets/hub.h"

namespace oa::runtime {

// The agent is told before the handshake is answered, so that a client is refused as by any verb.
void open_socket(const CallPtr& call) {
  if (const auto offer = net::require_websocket(call->request); !offer) {
    return call->fail(offer.error());
  }
  with_agent(call, [call](const std::shared_ptr<Actor>& actor) {
    call->services.sockets->open(
        call->agent, actor->key(), std::string(call->header("traceparent")),
        [call](Result<SocketHub::Opened> opened) {
          if (!opened) return call->fail(opened.error());
          net::Response response;
          response.websocket = net::WebSocketAccept{"", std::move(*opened)};
          call->answer(std::move(response));
        });
  });
}

}  // namespace oa::runtime
