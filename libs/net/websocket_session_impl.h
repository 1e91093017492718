// The connection of a WebSocket: moves bytes between its client and its WebSocketCore, and keeps
// its deadlines.
//
// Beast's websocket::stream does the same work, and is not used because it reads control frames
// only while a message is being read: to a socket that is paused it would answer no ping, notice no
// close, and take the silence that it causes itself for a dead client. It also costs every idle
// socket its buffers and a timer of its own.
//
// Thread-safety: used on its worker's I/O thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "libs/net/message.h"
#include "libs/net/worker_impl.h"

namespace oa::net {

// Takes over the connection `fd`, on which the answer to the handshake has been sent. `input` is
// what the client sent after its handshake. If true, the connection is counted as ended when the
// WebSocket has.
bool start_websocket(Worker& worker, int fd, std::string_view input, WebSocketAccept accept);

}  // namespace oa::net
