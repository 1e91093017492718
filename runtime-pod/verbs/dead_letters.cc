#include "runtime-pod/verbs/dead_letters.h"

#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"
#include "runtime-pod/verbs/envelopes.h"

namespace oa::runtime {
namespace {

Error unknown(const std::string& id) {
  return make_error(Code::kNotFound, "dead letter \"" + shorten(id, 64) + "\" does not exist");
}

Result<DeadLetter> read(std::string id, std::string_view text) {
  auto row = decode_dead_letter(text);
  if (!row) return row.error();
  return DeadLetter{std::move(id), std::move(*row)};
}

ItemWrite removal(const std::string& id) {
  return {.kind = ItemKind::kDeadLetter, .key = id, .condition = {.must_exist = true}};
}

OrderedJson envelope_json(const Envelope& envelope) {
  OrderedJson json{{"id", envelope.id}, {"source", envelope.source}};
  if (!envelope.sender.empty()) json["sender"] = envelope.sender;
  if (envelope.seq > 0) json["seq"] = envelope.seq;
  json["time"] = format_time_millis(envelope.time);
  if (envelope.expires_at) json["expiresAt"] = format_time_millis(*envelope.expires_at);
  const Payload& payload = envelope.payload;
  if (!payload.content_type.empty()) json["contentType"] = payload.content_type;
  if (payload.kind == Payload::Kind::kBytes) {
    json["payloadBase64"] = crypto::base64_encode(payload.data);
  } else {
    json["payload"] = payload.as_json();
  }
  return json;
}

// The store says which row it misses; a user knows it by another name.
Error told(const Error& error, const std::string& id) {
  return error.code == Code::kNotFound && error.reason.empty() ? unknown(id) : error;
}

}  // namespace

OrderedJson dead_letter_document(const DeadLetter& letter) {
  const DeadLetterRow& row = letter.row;
  return {{"id", letter.id},
          {"reason", row.reason},
          {"error", error_document(row.error)},
          {"attempts", row.attempts},
          {"trigger", trigger_name(row.trigger.type)},
          {"envelope", envelope_json(row.trigger.envelope)},
          {"acceptedAt", format_time_millis(row.accepted)},
          {"deadAt", format_time_millis(row.buried)}};
}

void list_dead_letters(const Services& services, const AgentId& agent, const std::string& after,
                       int limit, std::function<void(Result<DeadLetterPage>)> done) {
  const auto list = [&services, after, limit, done](AgentKey key) {
    auto page =
        services.reader.list_items(key, ItemKind::kDeadLetter, "", after, limit, Values::kInclude);
    if (!page) return done(page.error());
    DeadLetterPage letters;
    letters.next = std::move(page->next);
    for (Item& item : page->items) {
      auto letter = read(std::move(item.key), item.value);
      if (!letter) return done(letter.error());
      letters.items.push_back(std::move(*letter));
    }
    done(std::move(letters));
  };
  find_agent(services, agent, [&services, list, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    services.scheduler.post([list, key = (*found)->key()] { list(key); });
  });
}

void find_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                      std::function<void(Result<DeadLetter>)> done) {
  find_agent(services, agent,
             [&services, id, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               services.scheduler.post([&services, id, done, key = (*found)->key()] {
                 auto item = services.reader.get_item(key, ItemKind::kDeadLetter, id);
                 if (!item) return done(item.error());
                 if (!*item) return done(unknown(id));
                 done(read(id, (*item)->value));
               });
             });
}

void replay_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                        std::function<void(Result<std::string>)> done) {
  find_dead_letter(services, agent, id,
                   [&services, agent, id, done = std::move(done)](Result<DeadLetter> letter) {
                     if (!letter) return done(letter.error());
                     Trigger& trigger = letter->row.trigger;
                     // It would be over at once.
                     trigger.envelope.expires_at.reset();
                     const std::string envelope = trigger.envelope.id;
                     Dispatch dispatch{.agent = agent,
                                       .trigger = std::move(trigger),
                                       .items = {removal(id)},
                                       .is_again = true};
                     services.host.dispatch(std::move(dispatch),
                                            [id, envelope, done](Result<void> taken) {
                                              if (!taken) return done(told(taken.error(), id));
                                              done(envelope);
                                            });
                   });
}

void delete_dead_letter(const Services& services, const AgentId& agent, const std::string& id,
                        std::function<void(Result<void>)> done) {
  find_agent(services, agent,
             [&services, agent, id, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
               if (!found) return done(found.error());
               services.host.append(agent, {removal(id)},
                                    [id, done](const Result<Committed>& removed) {
                                      if (!removed) return done(told(removed.error(), id));
                                      done({});
                                    });
             });
}

}  // namespace oa::runtime
