#include "runtime-pod/verbs/stream.h"

#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "runtime-pod/http/event_stream.h"
#include "runtime-pod/http/verbs.h"
#include "runtime-pod/verbs/logs.h"

namespace oa::runtime {
namespace {

using Shows = std::function<bool(const StreamEvent&)>;

// A speculative event has no id, so that a client does not ask for what follows it; and it says
// what it is.
std::string format_event(const StreamEvent& event, Time now) {
  if (!event.speculative) {
    return net::format_sse({.id = to_string(event.id), .event = event.name, .data = event.data});
  }
  Json data = Json::parse(event.data, nullptr, /*allow_exceptions=*/false);
  if (!data.is_object()) data = Json::object();
  data["speculative"] = true;
  if (!data.contains("time")) data["time"] = format_time_millis(now);
  return net::format_sse({.event = event.name, .data = dump(data)});
}

// Writes a stream part by part, each once the client has taken the one before.
class StreamAnswer : public std::enable_shared_from_this<StreamAnswer> {
 public:
  StreamAnswer(const Clock& clock, std::shared_ptr<AgentStream> stream,
               std::shared_ptr<EventStream> events, Shows shows)
      : clock_(clock),
        stream_(std::move(stream)),
        events_(std::move(events)),
        shows_(std::move(shows)) {}

  void start() {
    events_->on_closed([self = shared_from_this()] { self->stream_->stop(); });
    events_->on_draining([self = shared_from_this()] { self->end(); });
    ask();
  }

 private:
  void ask() {
    stream_->next([self = shared_from_this()](const StreamPart& part) { self->show(part); });
  }

  void show(const StreamPart& part) {
    const Time now = clock_.now();
    std::string text;
    if (part.gap) {
      text +=
          net::format_sse({.event = "gap", .data = Json{{"oldest", to_string(*part.gap)}}.dump()});
    }
    for (const StreamEvent& event : part.events) {
      if (!shows_ || shows_(event)) text += format_event(event, now);
    }
    const bool is_silent = text.empty();
    if (!is_silent && !events_->send_text(std::move(text))) return stream_->stop();
    if (part.is_over) return end();
    if (is_silent) return ask();
    events_->on_drained([self = shared_from_this()] { self->ask(); });
  }

  void end() {
    stream_->stop();
    events_->end();
  }

  const Clock& clock_;
  const std::shared_ptr<AgentStream> stream_;
  const std::shared_ptr<EventStream> events_;
  const Shows shows_;  // empty: everything
};

void open_for(const CallPtr& call, const StreamRequest& request, Shows shows) {
  with_agent(call, [call, request, shows = std::move(shows)](const std::shared_ptr<Actor>&) {
    open_stream(call->services, request,
                [call, shows](Result<std::shared_ptr<AgentStream>> stream) {
                  if (!stream) return call->fail(stream.error());
                  std::make_shared<StreamAnswer>(call->services.clock, std::move(*stream),
                                                 EventStream::open(call), shows)
                      ->start();
                });
  });
}

Result<StreamRequest> read_stream_request(const Call& call) {
  StreamRequest request{.agent = call.agent};
  const auto from = call.target.query_value("from");
  if (from && *from != "start" && *from != "now") {
    return invalid_fields({{"query.from", shorten(*from, 64), "be start or now"}});
  }
  request.from_start = from == "start";
  // A client that connects again sends the header, with the query that it began with.
  std::string_view last = call.header("Last-Event-ID");
  if (last.empty()) last = call.target.query_value("lastEventId").value_or("");
  if (!last.empty()) {
    const auto id = parse_event_id(last);
    if (!id) return id.error();
    request.after = *id;
  }
  return request;
}

// Absent: all lines.
Result<obs::Level> read_level(const net::Target& target) {
  const auto text = target.query_value("level");
  if (!text) return obs::Level::kDebug;
  if (auto level = obs::parse_level(*text)) return *level;
  return invalid_fields({{"query.level", shorten(*text, 64), "be debug, info, warn or error"}});
}

Result<std::optional<EventId>> read_log_cursor(const net::Target& target) {
  const auto text = target.query_value("cursor");
  if (!text) return std::optional<EventId>();
  if (const auto id = parse_event_id(*text)) return std::optional(*id);
  return invalid_fields({{"query.cursor", shorten(*text, 64), "be the cursor of an earlier list"}});
}

// Lines are JSON text already; the list is put together around them.
std::string logs_body(const LogPage& page) {
  std::string body = "{\"items\":[";
  for (const StreamEvent& line : page.lines) {
    if (&line != &page.lines.front()) body += ',';
    body += "{\"id\":\"" + to_string(line.id) + "\"," + line.data.substr(1);
  }
  body += ']';
  if (page.next) body += ",\"cursor\":\"" + to_string(*page.next) + '"';
  return body + '}';
}

void follow_logs(const CallPtr& call, obs::Level least) {
  const auto request = read_stream_request(*call);
  if (!request) return call->fail(request.error());
  open_for(call, *request, [least](const StreamEvent& event) {
    return event.name == kAgentDeleted || is_log_line(event, least);
  });
}

}  // namespace

void get_stream(const CallPtr& call) {
  const auto request = read_stream_request(*call);
  if (!request) return call->fail(request.error());
  open_for(call, *request, {});
}

void get_logs(const CallPtr& call) {
  const auto level = read_level(call->target);
  if (!level) return call->fail(level.error());
  const auto follow = call->target.query_value("follow");
  if (follow == "true") return follow_logs(call, *level);
  if (follow && *follow != "false") {
    return call->fail(invalid_fields({{"query.follow", shorten(*follow, 64), "be true or false"}}));
  }
  const auto limit = read_limit(call->target);
  if (!limit) return call->fail(limit.error());
  const auto cursor = read_log_cursor(call->target);
  if (!cursor) return call->fail(cursor.error());
  with_agent(call, [call, limit = *limit, before = *cursor,
                    least = *level](const std::shared_ptr<Actor>& actor) {
    on_worker(call, [call, limit, before, least, agent = actor->key(),
                     newest = actor->status().head.event] {
      const auto page = list_logs(call->services.reader, agent, newest, before, least, limit);
      if (!page) return call->fail(page.error());
      call->answer(net::json_response(200, logs_body(*page)));
    });
  });
}

}  // namespace oa::runtime
