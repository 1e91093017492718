#include "runtime-pod/agent/tick.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>

#include "core/json.h"
#include "core/text.h"
#include "libs/net/url.h"

namespace oa::runtime {
namespace {

std::int64_t day_of(Time time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

Error budget_exceeded(std::string_view what, std::int64_t limit) {
  return make_error(Code::kLimitExceeded, "BudgetExceeded",
                    "the agent has used up spec.config.budget." + std::string(what) + ", " +
                        std::to_string(limit) + ", for this UTC day");
}

// What is kept in order: one server.
std::string origin_of(net::Url url) {
  url.target = "/";
  return net::to_string(url);
}

template <typename T>
void append(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

// Collects rows, the last write of each first.
class Collector {
 public:
  explicit Collector(WriteSet& set) : set_(set) {}

  Result<void> add(ItemWrite item) {
    if (!item.key.empty() && !seen_.emplace(item.kind, item.key).second) return {};
    set_.bytes += item.key.size() + (item.value ? item.value->size() : 0);
    set_.items.push_back(std::move(item));
    return {};
  }

 private:
  WriteSet& set_;
  std::set<std::pair<ItemKind, std::string>> seen_;
};

Result<void> add_kv(Collector& collector, std::vector<KvWrite>& writes) {
  for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
    if (auto good = check_kv_key(write->key); !good) return good;
    if (write->value) {
      if (auto good = check_kv_value(write->key, *write->value); !good) return good;
    }
    if (auto done = collector.add(kv_item(std::move(*write))); !done) return done;
  }
  return {};
}

Result<void> add_alarms(Collector& collector,
                        std::vector<std::variant<AlarmSet, AlarmCancel>>& alarms,
                        const WriteSource& source) {
  for (auto alarm = alarms.rbegin(); alarm != alarms.rend(); ++alarm) {
    if (auto* set = std::get_if<AlarmSet>(&*alarm)) {
      if (set->name.empty()) {
        // Named by its ordinal.
      } else if (auto good = check_name("alarm", set->name); !good) {
        return good;
      }
      auto done = collector.add(
          alarm_item({std::move(set->name), set->at, std::move(set->payload), source.traceparent}));
      if (!done) return done;
      continue;
    }
    auto& cancel = std::get<AlarmCancel>(*alarm);
    auto done = collector.add({.kind = ItemKind::kAlarm, .key = std::move(cancel.name)});
    if (!done) return done;
  }
  return {};
}

Result<void> add_outbox(Collector& collector, WriteSet& set, TickWrites& writes,
                        const WriteSource& source, std::string_view id_prefix) {
  std::size_t sent = 0;
  for (const MessageSend& message : writes.sends) {
    auto row = outbox_row(message, std::string(id_prefix) + "/" + std::to_string(++sent), source);
    if (!row) return row.error();
    set.outbox.push_back(std::move(*row));
  }
  for (const EffectRequest& effect : writes.effects) {
    if (auto good = check_effect(effect); !good) return good;
    set.outbox.push_back(outbox_row(effect, source));
  }
  for (const OutboxRow& row : set.outbox) {
    if (auto done = collector.add(outbox_item(row)); !done) return done;
  }
  return {};
}

// Frames wait in memory for the commit, as rows do.
Result<void> check_sockets(const TickWrites& writes) {
  std::size_t bytes = 0;
  for (const auto& action : writes.sockets) {
    if (const auto* frame = std::get_if<SocketSend>(&action)) {
      bytes += frame->data.size();
      if (!frame->binary && !is_utf8(frame->data)) {
        return invalid_fields({{"sockets", shorten(frame->to, 64), "be sent text as UTF-8"}});
      }
    }
    const auto* update = std::get_if<SocketUpdate>(&action);
    if (update == nullptr || !update->tags) continue;
    if (update->tags->size() > kMaxSocketTags) {
      return invalid_fields({{"sockets.tags", std::to_string(update->tags->size()) + " tags",
                              "be at most " + std::to_string(kMaxSocketTags)}});
    }
    for (const std::string& tag : *update->tags) {
      if (auto good = check_name("tag", tag); !good) return good;
    }
  }
  if (bytes <= kMaxWriteSetBytes) return {};
  return make_error(Code::kLimitExceeded, "FrameLimit",
                    "a tick must send frames of at most " + std::to_string(kMaxWriteSetBytes) +
                        " bytes but wants to send " + std::to_string(bytes));
}

}  // namespace

std::string tick_id(std::int64_t tick) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "t-%012lld", static_cast<long long>(tick));
  return {text, static_cast<std::size_t>(size)};
}

Reply encode_reply(Payload reply) {
  if (reply.kind == Payload::Kind::kBytes) {
    return {
        true, std::move(reply.data),
        reply.content_type.empty() ? "application/octet-stream" : std::move(reply.content_type)};
  }
  return {false, dump(reply.as_json()), "application/json"};
}

std::string record_text(const TickRecord& record) {
  OrderedJson json = {{"tickId", tick_id(record.tick)},
                      {"trigger", trigger_name(record.trigger)},
                      {"envelopeId", record.envelope_id},
                      {"source", record.source},
                      {"attempt", record.attempt},
                      {"outcome", record.error ? "Failed" : "Committed"},
                      {"durationMs", static_cast<double>(record.duration.count()) / 1000}};
  if (!record.sender.empty()) json["sender"] = record.sender;
  if (record.error) {
    json["error"] = {{"code", code_name(record.error->code)}, {"detail", record.error->detail}};
    if (!record.error->reason.empty()) json["error"]["reason"] = record.error->reason;
  }
  json["writes"] = {{"rows", record.written_rows}, {"bytes", record.written_bytes}};
  const Usage& usage = record.usage;
  if (usage.steps > 0) json["steps"] = usage.steps;
  if (usage.tokens_in > 0) json["tokensIn"] = usage.tokens_in;
  if (usage.tokens_out > 0) json["tokensOut"] = usage.tokens_out;
  if (usage.iterations > 0) json["iterations"] = usage.iterations;
  if (!record.trace_id.empty()) json["traceId"] = record.trace_id;
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Result<void> check_kv_key(std::string_view key) {
  if (!key.empty() && key.size() <= kMaxKvKeyBytes && is_utf8(key) &&
      key.find('\0') == std::string_view::npos) {
    return {};
  }
  return invalid_fields(
      {{"key", "\"" + shorten(key, 64) + "\"",
        "be 1 to " + std::to_string(kMaxKvKeyBytes) + " bytes of UTF-8 without a NUL"}});
}

Result<void> check_kv_value(std::string_view key, std::string_view value) {
  if (value.size() <= kMaxKvValueBytes) return {};
  return make_error(Code::kInvalidRequest, "PayloadTooLarge",
                    "the value of key \"" + shorten(key, 64) + "\" must be at most " +
                        std::to_string(kMaxKvValueBytes) + " bytes but has " +
                        std::to_string(value.size()));
}

Result<void> check_name(std::string_view what, std::string_view name) {
  const bool plain = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!name.empty() && name.size() <= kMaxNameBytes && is_utf8(name) && plain) return {};
  return invalid_fields({{std::string(what), "\"" + shorten(name, 64) + "\"",
                          "be 1 to " + std::to_string(kMaxNameBytes) +
                              " bytes of UTF-8 without control characters"}});
}

Result<void> check_effect(const EffectRequest& effect) {
  if (auto good = check_name("effect", effect.key); !good) return good;
  if (auto url = net::parse_url(effect.url); !url) return url.error();
  for (const auto& [name, value] : effect.headers) {
    if (!is_secret_header(name)) continue;
    return invalid_fields({{"effect.headers." + shorten(name, 64), "",
                            "not be set: an effect is kept on disk, where no secret belongs"}});
  }
  return {};
}

ItemWrite kv_item(KvWrite write) {
  return {.kind = ItemKind::kKv,
          .key = std::move(write.key),
          .value = std::move(write.value),
          .content_type = std::move(write.content_type)};
}

ItemWrite alarm_item(const AlarmRow& row) {
  return {.kind = ItemKind::kAlarm,
          .key = row.name,
          .value = encode(row),
          .number = kNextOrdinal,
          .due = Due{Due::Class::kWork, row.at}};
}

ItemWrite inbox_item(const std::string& key, const InboxRow& row, Time due) {
  ItemWrite item{.kind = ItemKind::kInbox, .key = key, .value = encode(row), .number = 0};
  if (row.approval.empty()) item.due = Due{Due::Class::kWork, due};
  return item;
}

ItemWrite outbox_item(const OutboxRow& row) {
  return {.kind = ItemKind::kOutbox,
          .value = encode(row),
          .number = kNextOrdinal,
          .due = Due{Due::Class::kWork, row.created}};
}

OutboxRow outbox_row(const EffectRequest& effect, const WriteSource& source) {
  OutboxRow row;
  row.kind = OutboxRow::Kind::kEffect;
  row.id = effect.key;
  if (const auto url = net::parse_url(effect.url)) row.destination = origin_of(*url);
  row.effect = effect;
  row.sender = to_string(source.agent);
  row.traceparent = source.traceparent;
  row.created = source.now;
  return row;
}

Result<OutboxRow> outbox_row(const MessageSend& message, std::string id,
                             const WriteSource& source) {
  OutboxRow row;
  row.kind = OutboxRow::Kind::kMessage;
  row.id = std::move(id);
  row.to = message.to;
  row.sender = to_string(source.agent);
  row.payload = dump(message.payload);
  row.traceparent = source.traceparent;
  row.created = source.now;
  if (message.to.find("://") != std::string::npos) {
    const auto url = net::parse_url(message.to);
    if (!url) return url.error();
    row.destination = origin_of(*url);
    return row;
  }
  const std::size_t slash = message.to.find('/');
  auto agent = slash == std::string::npos
                   ? make_agent_id(source.agent.namespace_name, message.to)
                   : make_agent_id(message.to.substr(0, slash), message.to.substr(slash + 1));
  if (!agent) return agent.error();
  row.to = to_string(*agent);
  row.destination = "agent " + row.to;
  return row;
}

void append_writes(TickWrites& to, TickWrites from) {
  append(to.kv, from.kv);
  append(to.alarms, from.alarms);
  append(to.sends, from.sends);
  append(to.effects, from.effects);
  append(to.sockets, from.sockets);
  if (from.job) to.job = std::move(from.job);
  to.hibernate = to.hibernate || from.hibernate;
}

Result<WriteSet> make_write_set(const std::shared_ptr<const Json>& state, TickWrites writes,
                                const WriteSource& source, std::string_view id_prefix) {
  WriteSet set;
  if (state) {
    set.state = dump(*state);
    set.bytes += set.state->size();
  }
  Collector collector(set);
  if (auto done = add_kv(collector, writes.kv); !done) return done.error();
  if (auto done = add_alarms(collector, writes.alarms, source); !done) return done.error();
  std::reverse(set.items.begin(), set.items.end());
  if (auto done = add_outbox(collector, set, writes, source, id_prefix); !done) return done.error();
  if (auto good = check_sockets(writes); !good) return good.error();
  set.sockets = std::move(writes.sockets);
  set.job = std::move(writes.job);
  set.hibernate = writes.hibernate;
  if (set.bytes > kMaxWriteSetBytes) {
    return make_error(Code::kLimitExceeded, "StorageLimit",
                      "a tick must write at most " + std::to_string(kMaxWriteSetBytes) +
                          " bytes but wants to write " + std::to_string(set.bytes));
  }
  return set;
}

void give_ordinals(std::vector<ItemWrite>& items, std::int64_t& last) {
  for (ItemWrite& item : items) {
    if (item.number != kNextOrdinal) continue;
    item.number = ++last;
    if (item.key.empty()) item.key = ordinal_key(last);
  }
}

DayUse add_use(const DayUse& before, Time now, const DayUse& more) {
  DayUse use = before;
  if (use.day != day_of(now)) use = DayUse{.day = day_of(now)};
  use.ticks += more.ticks;
  use.bytes += more.bytes;
  use.iterations += more.iterations;
  return use;
}

Result<void> check_budget(const BudgetConfig& budget, const DayUse& use, Time now) {
  if (use.day != day_of(now)) return {};
  if (budget.ticks_per_day && use.ticks >= *budget.ticks_per_day) {
    return budget_exceeded("ticksPerDay", *budget.ticks_per_day);
  }
  if (budget.bytes_per_day && use.bytes >= *budget.bytes_per_day) {
    return budget_exceeded("bytesPerDay", *budget.bytes_per_day);
  }
  if (budget.iterations_per_day && use.iterations >= *budget.iterations_per_day) {
    return budget_exceeded("iterationsPerDay", *budget.iterations_per_day);
  }
  return {};
}

}  // namespace oa::runtime
