// Writes the status line and headers of an answer.
//
// Thread-safety: pure functions.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "libs/net/message.h"

namespace oa::net {

// How the end of the body is told.
enum class Framing { kLength, kChunked, kClose };

struct HeadOptions {
  bool keep_alive = true;
  bool http_1_0 = false;  // the client speaks HTTP/1.0: staying open has to be said
  std::string_view date;  // as `http_date` makes it
  const Headers& always;  // goes on every answer, and wins over the answer's own
  Framing framing = Framing::kLength;
};

// Appends the head to `out`, with its final empty line. Content-Length, Connection and Date are the
// server's: those of `response` are left out. A field whose name is no token is left out too; line
// ends within a value become spaces.
void append_head(std::string& out, const Response& response, const HeadOptions& options);

// The head of an answer that makes the connection a WebSocket. `accept` is the value of
// Sec-WebSocket-Accept.
void append_websocket_head(std::string& out, const Response& response, std::string_view accept,
                           const HeadOptions& options);

// Whether an answer of this status carries a body at all (RFC 9112 section 6.3).
bool has_body(int status);

// "Sat, 21 Nov 2026 08:00:00 GMT" (RFC 9110 section 5.6.7).
std::string http_date(std::time_t time);

}  // namespace oa::net
