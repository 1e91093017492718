#include "runtime-pod/verbs/approvals.h"

#include <memory>
#include <utility>

#include "core/text.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

// Of a row that waits for its decision, and of one that has it.
constexpr std::int64_t kPendingNumber = 1;
constexpr std::int64_t kDecidedNumber = 2;

Error no_such_approval(const std::string& id) {
  return make_error(Code::kNotFound, "approval \"" + shorten(id, 64) + "\" does not exist");
}

Result<ApprovalRow> read_approval(Reader& reader, AgentKey agent, const std::string& id) {
  auto item = reader.get_item(agent, ItemKind::kApproval, id);
  if (!item) return item.error();
  if (!*item) return no_such_approval(id);
  return decode_approval((*item)->value);
}

// What waits for it.
struct Waiting {
  std::string key;  // of the inbox
  InboxRow row;
};

// The key of an envelope's row in the inbox; empty if it is over.
Result<std::string> find_inbox(Reader& reader, AgentKey agent, const std::string& envelope) {
  auto outcome = reader.get_item(agent, ItemKind::kEnvelope, envelope);
  if (!outcome) return outcome.error();
  if (*outcome) {
    auto row = decode_envelope((*outcome)->value);
    return row ? Result<std::string>(std::move(row->inbox)) : row.error();
  }
  // A job's envelope has its id.
  auto job = reader.get_item(agent, ItemKind::kJob, envelope);
  if (!job) return job.error();
  if (!*job) return std::string();
  auto row = decode_job((*job)->value);
  return row ? Result<std::string>(std::move(row->inbox)) : row.error();
}

Result<std::optional<Waiting>> find_waiting(Reader& reader, AgentKey agent,
                                            const std::string& envelope) {
  auto key = find_inbox(reader, agent, envelope);
  if (!key) return key.error();
  if (key->empty()) return std::optional<Waiting>();
  auto item = reader.get_item(agent, ItemKind::kInbox, *key);
  if (!item) return item.error();
  if (!*item) return std::optional<Waiting>();
  auto row = decode_inbox((*item)->value);
  if (!row) return row.error();
  row->approval.clear();
  return std::optional<Waiting>({std::move(*key), std::move(*row)});
}

std::vector<ItemWrite> rows_of(const ApprovalRow& row, const std::optional<Waiting>& waiting,
                               Time now) {
  std::vector<ItemWrite> items;
  items.push_back({.kind = ItemKind::kApproval,
                   .key = row.id,
                   .value = encode(row),
                   .number = kDecidedNumber,
                   .due = Due{Due::Class::kExpiry, now + kRemembered},
                   .condition = {.versions = {{kPendingNumber}}}});
  if (!waiting) return items;
  // Gone meanwhile: it was cancelled, or is over.
  items.push_back({.kind = ItemKind::kInbox,
                   .key = waiting->key,
                   .value = encode(waiting->row),
                   .number = 0,
                   .due = Due{Due::Class::kWork, now},
                   .condition = {.must_exist = true, .or_skip = true}});
  return items;
}

class Decide : public std::enable_shared_from_this<Decide> {
 public:
  Decide(const Services& services, AgentId agent, ApprovalDecision decision, ApprovalDone done)
      : services_(services),
        agent_(std::move(agent)),
        decision_(std::move(decision)),
        done_(std::move(done)) {}

  void start() {
    find_agent(services_, agent_, [self = shared_from_this()](auto found) {
      if (!found) return self->done_(found.error());
      self->services_.scheduler.post([self, key = (*found)->key()] { self->decide(key); });
    });
  }

 private:
  void decide(AgentKey agent) {
    auto row = read_approval(services_.reader, agent, decision_.id);
    if (!row) return done_(row.error());
    if (row->decision != Decision::kPending) return decided_before(*row);
    auto waiting = find_waiting(services_.reader, agent, row->envelope_id);
    if (!waiting) return done_(waiting.error());
    const Time now = services_.clock.now();
    row->decision = decision_.decision;
    row->note = decision_.note;
    row->decided_by = decision_.decided_by;
    services_.host.append(agent_, rows_of(*row, *waiting, now),
                          [self = shared_from_this(), agent, row = *row,
                           waiting = *waiting](const Result<Committed>& committed) {
                            if (committed) return self->go_on(row, waiting);
                            // Somebody else was first.
                            if (committed.error().reason != "PreconditionFailed") {
                              return self->done_(committed.error());
                            }
                            self->services_.scheduler.post([self, agent] { self->decide(agent); });
                          });
  }

  void decided_before(const ApprovalRow& row) {
    if (row.decision == decision_.decision && row.note == decision_.note) return done_(row);
    done_(make_error(Code::kConflict, "Decided",
                     "approval " + row.id + " must be decided once and is " +
                         std::string(decision_name(row.decision))));
  }

  void go_on(const ApprovalRow& row, const std::optional<Waiting>& waiting) {
    if (!waiting) return done_(row);
    // If that fails now, the row's time has come, and it is looked at again.
    services_.host.resume(
        agent_, waiting->key, waiting->row,
        [self = shared_from_this(), row](const Result<void>&) { self->done_(row); });
  }

  const Services& services_;
  const AgentId agent_;
  const ApprovalDecision decision_;
  const ApprovalDone done_;
};

Result<std::optional<Decision>> status_of(std::string_view text) {
  if (text == "All") return std::optional<Decision>();
  for (const Decision decision :
       {Decision::kPending, Decision::kApproved, Decision::kDenied, Decision::kExpired}) {
    if (decision_name(decision) == text) return std::optional(decision);
  }
  return invalid_fields(
      {{"query.status", shorten(text, 64), "be Pending, Approved, Denied, Expired or All"}});
}

Result<ApprovalPage> read_page(Reader& reader, AgentKey agent,
                               const std::optional<Decision>& status, std::string after,
                               int limit) {
  ApprovalPage page;
  for (;;) {
    auto rows = reader.list_items(agent, ItemKind::kApproval, "", after, limit, Values::kInclude);
    if (!rows) return rows.error();
    for (const Item& item : rows->items) {
      auto row = decode_approval(item.value);
      if (!row) return row.error();
      after = item.key;
      if (status && row->decision != *status) continue;
      page.items.push_back(std::move(*row));
      if (page.items.size() < static_cast<std::size_t>(limit)) continue;
      if (rows->next || &item != &rows->items.back()) page.next = after;
      return page;
    }
    if (!rows->next) return page;
  }
}

}  // namespace

OrderedJson approval_document(const ApprovalRow& row) {
  OrderedJson json = {{"id", row.id},
                      {"name", row.name},
                      {"status", decision_name(row.decision)},
                      {"envelopeId", row.envelope_id}};
  if (!row.question.is_null()) json["question"] = row.question;
  json["createdAt"] = format_time_millis(row.created);
  json["expiresAt"] = format_time_millis(row.expires);
  if (!row.note.empty()) json["note"] = row.note;
  if (!row.decided_by.empty()) json["decidedBy"] = row.decided_by;
  return json;
}

void list_approvals(const Services& services, const AgentId& agent, std::string_view status,
                    const std::string& cursor, int limit,
                    std::function<void(Result<ApprovalPage>)> done) {
  auto wanted = status_of(status);
  if (!wanted) return done(wanted.error());
  find_agent(
      services, agent,
      [&services, wanted = *wanted, cursor, limit, done = std::move(done)](auto found) {
        if (!found) return done(found.error());
        services.scheduler.post([&services, wanted, cursor, limit, done, key = (*found)->key()] {
          done(read_page(services.reader, key, wanted, cursor, limit));
        });
      });
}

void get_approval(const Services& services, const AgentId& agent, const std::string& id,
                  ApprovalDone done) {
  find_agent(services, agent, [&services, id, done = std::move(done)](auto found) {
    if (!found) return done(found.error());
    services.scheduler.post([&services, id, done, key = (*found)->key()] {
      done(read_approval(services.reader, key, id));
    });
  });
}

void decide_approval(const Services& services, const AgentId& agent, ApprovalDecision decision,
                     ApprovalDone done) {
  if (decision.note.size() > kMaxNoteBytes || !is_utf8(decision.note)) {
    return done(
        invalid_fields({{"note", shorten(decision.note, 64),
                         "be at most " + std::to_string(kMaxNoteBytes) + " bytes of UTF-8"}}));
  }
  std::make_shared<Decide>(services, agent, std::move(decision), std::move(done))->start();
}

void expire_approval(const Services& services, const DueRow& row,
                     const std::function<void(bool again)>& done) {
  services.host.find(row.agent, [&services, row, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error().code != Code::kNotFound);
    ApprovalDecision decision{.id = row.key, .decision = Decision::kExpired};
    decision.note = "it was not decided in time";
    std::make_shared<Decide>(
        services, (*found)->id(), std::move(decision),
        [done](const Result<ApprovalRow>& end) {
          // Decided or gone before: there is nothing to do.
          done(!end && end.error().code != Code::kNotFound && end.error().code != Code::kConflict);
        })
        ->start();
  });
}

}  // namespace oa::runtime
