#include <utility>

#include "core/json.h"
#include "core/wire.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

double milliseconds(Duration span) { return static_cast<double>(span.count()) / 1000; }

// More than this is read on a worker, so that other connections need not wait for it.
constexpr std::size_t kReadAtOnceBytes = 64 * 1024;

std::string run_body(const TickReport& report) {
  const OrderedJson head = {{"tickId", tick_id(report.tick)},
                            {"envelopeId", report.envelope_id},
                            {"usage",
                             {{"durationMs", milliseconds(report.duration)},
                              {"steps", report.usage.steps},
                              {"tokensIn", report.usage.tokens_in},
                              {"tokensOut", report.usage.tokens_out},
                              {"storageBytes", report.storage_bytes}}}};
  return "{\"output\":" + report.reply.body + "," + head.dump().substr(1);
}

void read_and_run(const CallPtr& call) {
  const std::size_t bytes = call->request.body.size();
  auto payload = read_payload(call->header("Content-Type"), std::move(call->request.body));
  if (!payload) return call->fail(payload.error());
  const Time now = call->services.clock.now();
  Envelope envelope{.id = call->services.ids.uuid(now),
                    .source = "http",
                    .time = now,
                    .payload = std::move(*payload)};
  if (!call->trace_id.empty()) envelope.traceparent = call->header("traceparent");
  auto trigger = std::make_shared<Trigger>(Trigger{TriggerType::kRequest, std::move(envelope)});
  with_agent(call, [call, bytes, trigger](const std::shared_ptr<Actor>&) {
    Delivery delivery{.agent = call->agent,
                      .kind = QueueItem::Kind::kTick,
                      .trigger = std::move(*trigger),
                      .bytes = bytes,
                      .patience = call->services.run_timeout};
    call->services.host.deliver(std::move(delivery), [call](Result<TickReport> report) {
      if (!report) return call->fail(report.error());
      call->answer(run_response(*report));
    });
  });
}

}  // namespace

net::Response run_response(const TickReport& report) {
  net::Response response;
  if (report.reply.is_raw) {
    response.headers.add("Content-Type", report.reply.content_type);
    response.headers.add("X-Content-Type-Options", "nosniff");
    response.body = report.reply.body;
  } else {
    response = net::json_response(200, run_body(report));
  }
  response.headers.add(std::string(wire::kHeaderTickId), tick_id(report.tick));
  response.headers.add(std::string(wire::kHeaderEnvelopeId), report.envelope_id);
  return response;
}

void run_agent(const CallPtr& call) {
  if (call->request.body.size() <= kReadAtOnceBytes) return read_and_run(call);
  on_worker(call, [call] { read_and_run(call); });
}

}  // namespace oa::runtime
