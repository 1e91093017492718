#include "runtime-pod/agent/outbox_http.h"

#include <memory>
#include <utility>

namespace oa::runtime {
namespace {

constexpr std::size_t kMaxAnswerBytes = 1024 * 1024;

}  // namespace

void HttpSender::send(Outgoing request, Done done) {
  auto url = net::parse_url(request.url);
  if (!url) return done(url.error());
  net::ClientRequest out;
  out.method = std::move(request.method);
  out.url = std::move(*url);
  for (auto& [name, value] : request.headers) out.headers.add(std::move(name), std::move(value));
  out.body = std::move(request.body);
  out.timeout = timeout_;
  out.max_body_bytes = kMaxAnswerBytes;
  // Of the body only the beginning is kept; what comes behind it does not matter.
  auto answer = std::make_shared<OutgoingAnswer>();
  out.on_head = [answer](const net::Response& head) {
    answer->status = head.status;
    answer->retry_after = head.headers.get("Retry-After");
  };
  out.on_body = [answer](std::string_view bytes) {
    const std::size_t room = kMaxOutcomeBytes - answer->body.size();
    answer->body.append(bytes.substr(0, room));
    return bytes.size() < room;
  };
  client_.send(std::move(out), [answer, done = std::move(done)](net::ClientResult result) {
    if (result.response) {
      if (answer->body.empty()) answer->body = std::move(result.response->body);
    } else if (answer->status == 0 || (answer->body.size() < kMaxOutcomeBytes &&
                                       result.response.error().reason != "AnswerTooLarge")) {
      return done(result.response.error());
    }
    done(std::move(*answer));
  });
}

}  // namespace oa::runtime
