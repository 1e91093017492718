#include "runtime-pod/verbs/invoke.h"

#include <memory>
#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

using SessionDone = std::function<void(Result<std::string>)>;

// So that a session in use is not written at each turn.
constexpr Duration kRenewal = kRemembered - std::chrono::hours(1);

// Beside the hashes of idempotency keys.
std::string row_key(const std::string& session) { return "session/" + session; }

ItemWrite session_item(const std::string& session, Time now) {
  return {.kind = ItemKind::kReplay,
          .key = row_key(session),
          .value = encode(ReplayRow{}),
          .number = 0,
          .due = Due{Due::Class::kExpiry, now + kRemembered}};
}

void keep(const Services& services, const AgentId& agent, const std::string& session,
          const SessionDone& done) {
  services.host.append(agent, {session_item(session, services.clock.now())},
                       [session, done](const Result<Committed>& kept) {
                         if (!kept) return done(kept.error());
                         done(session);
                       });
}

void find_session(const Services& services, const AgentId& agent, AgentKey key,
                  const std::string& session, const SessionDone& done) {
  auto item = services.reader.get_item(key, ItemKind::kReplay, row_key(session));
  if (!item) return done(item.error());
  const Time now = services.clock.now();
  if (!*item || !(*item)->due || (*item)->due->at <= now) {
    return done(make_error(Code::kRuntimeError, "UnknownSession",
                           "session \"" + shorten(session, 64) +
                               "\" must be one that this agent gave out in the last " +
                               format_duration(kRemembered)));
  }
  if ((*item)->due->at - now < kRenewal) return keep(services, agent, session, done);
  done(session);
}

}  // namespace

void open_session(const Services& services, const Intake& intake, const std::string& given,
                  SessionDone done) {
  if (given.empty()) {
    const auto replay = replay_key(intake);
    const std::string session =
        replay ? "s-" + replay->key.substr(0, 32) : services.ids.uuid(services.clock.now());
    return keep(services, intake.agent, session, done);
  }
  find_agent(services, intake.agent,
             [&services, agent = intake.agent, given,
              done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               services.scheduler.post([&services, agent, given, done, key = (*found)->key()] {
                 find_session(services, agent, key, given, done);
               });
             });
}

Payload invoke_payload(const Json& input, const std::string& session, const Json& options) {
  Json messages = input.contains("messages")
                      ? input["messages"]
                      : Json::array({{{"role", "user"}, {"content", input["prompt"]}}});
  Payload payload{.kind = Payload::Kind::kJson, .content_type = "application/json"};
  payload.json = {{"messages", std::move(messages)}, {"sessionId", session}};
  if (options.is_object() && !options.empty()) payload.json["options"] = options;
  return payload;
}

std::string reply_text(const Reply& reply) {
  if (reply.is_raw) return is_utf8(reply.body) ? reply.body : crypto::base64_encode(reply.body);
  const Json json = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  return json.is_string() ? json.get<std::string>() : reply.body;
}

}  // namespace oa::runtime
