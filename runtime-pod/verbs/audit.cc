#include "runtime-pod/verbs/audit.h"

#include <utility>

#include "core/text.h"
#include "libs/crypto/encoding.h"

namespace oa::runtime {
namespace {

Result<AuditHead> head_of(const Services& services, const AgentId& id, AgentKey key) {
  // The anchor first: what is trimmed in between is behind it, never before it.
  const auto trimmed = services.reader.find_anchor(key);
  if (!trimmed) return trimmed.error();
  const auto stored = services.reader.find_agent(key);
  if (!stored) return stored.error();
  if (!*stored) return make_error(Code::kNotFound, "agent " + to_string(id) + " does not exist");
  const std::string name = to_string(id);
  const crypto::Ed25519PrivateKey& signing = *services.signing_key;
  const AgentHead& head = (*stored)->head;
  AuditHead out{{name, sign_anchor(signing, name, head.number, head.hash, services.clock.now())},
                {}};
  if (*trimmed) {
    out.anchor = sign_anchor(signing, name, (*trimmed)->number, (*trimmed)->hash, (*trimmed)->time);
  }
  return out;
}

}  // namespace

OrderedJson audit_head_document(const AuditHead& head) {
  const auto statement = [](const Anchor& anchor) {
    const Json json = to_json(anchor);
    return OrderedJson{{"sequence", json["sequence"]},
                       {"hash", json["hash"]},
                       {"time", json["time"]},
                       {"signature", json["signature"]}};
  };
  OrderedJson document{{"agent", head.head.agent}};
  document.update(statement(head.head.head));
  if (head.anchor) document["anchor"] = statement(*head.anchor);
  return document;
}

void read_audit_head(const Services& services, const AgentId& agent,
                     std::function<void(Result<AuditHead>)> done) {
  find_agent(services, agent, [&services, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    services.scheduler.post(
        [&services, done, actor = *found] { done(head_of(services, actor->id(), actor->key())); });
  });
}

OrderedJson audit_record_document(const LogRecord& record) {
  return {{"sequence", record.number},
          {"kind", static_cast<std::int64_t>(record.kind)},
          {"tick", record.tick},
          {"time", format_time_micros(record.time)},
          {"hash", crypto::hex_encode(crypto::bytes_of(record.hash))},
          {"record", record.text}};
}

void list_audit(const Services& services, const AgentId& agent, std::int64_t from, int limit,
                std::function<void(Result<AuditPage>)> done) {
  find_agent(services, agent, [&services, from, limit, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    services.scheduler.post([&services, from, limit, done, actor = *found] {
      const std::int64_t newest = from != 0 ? from : actor->status().head.log;
      done(services.reader.list_log(actor->key(), newest, limit));
    });
  });
}

}  // namespace oa::runtime
