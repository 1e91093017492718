#include "runtime-pod/agent/attempt.h"

#include <algorithm>
#include <utility>

#include "core/text.h"

namespace oa::runtime {
namespace {

constexpr std::size_t kMaxLogBytes = 256 * 1024;  // of log lines that one attempt keeps
constexpr std::size_t kMaxStepBytes = 1024 * 1024;

// Steps that the runtime itself journals: users' names have no control characters.
constexpr const char* kApprovalStep =
    "\x01"
    "approval/";

Error over() {
  return make_error(Code::kConflict, "TickOver",
                    "the tick is over: nothing more can be done in it");
}

std::size_t bytes_of(const TickWrites& writes) {
  std::size_t bytes = 0;
  for (const KvWrite& write : writes.kv) {
    bytes += write.key.size() + (write.value ? write.value->size() : 0);
  }
  for (const EffectRequest& effect : writes.effects)
    bytes += effect.body.size() + effect.url.size();
  return bytes;
}

}  // namespace

void Attempt::end() {
  std::vector<std::function<void()>> told;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    over_ = true;
    told.swap(told_);
  }
  for (const auto& one : told) one();
}

Attempt::Gathered Attempt::take() {
  const std::lock_guard lock(mutex_);
  return {std::move(writes_), usage_, std::move(events_), std::move(error_), parks_};
}

bool Attempt::is_over() const {
  const std::lock_guard lock(mutex_);
  return over_;
}

void Attempt::on_over(std::function<void()> told) {
  {
    const std::lock_guard lock(mutex_);
    if (!over_) {
      told_.push_back(std::move(told));
      return;
    }
  }
  told();
}

Result<std::shared_ptr<Actor>> Attempt::actor() const {
  auto actor = actor_.lock();
  if (is_over() || !actor) return over();
  return actor;
}

void Attempt::settled(std::function<void(Result<void>)> then) {
  auto found = actor();
  if (!found) return then(found.error());
  (*found)->settle(facts_.ticket, facts_.run,
                   [self = shared_from_this(), then = std::move(then)](Result<void> ready) {
                     self->services_.scheduler.post([then, ready] { then(ready); });
                   });
}

void Attempt::journal(std::vector<ItemWrite> items, const std::string& approval,
                      std::function<void(Result<void>)> done) {
  auto found = actor();
  if (!found) return done(found.error());
  (*found)->journal(facts_.ticket, facts_.run, std::move(items), approval, std::move(done));
}

Result<std::optional<KvValue>> Attempt::read_kv(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    const auto own = std::find_if(writes_.kv.rbegin(), writes_.kv.rend(),
                                  [&key](const KvWrite& write) { return write.key == key; });
    if (own != writes_.kv.rend()) {
      if (!own->value) return std::optional<KvValue>();
      return std::optional<KvValue>({*own->value, own->content_type, 0});
    }
  }
  auto item = services_.reader.get_item(agent_, ItemKind::kKv, key);
  if (!item) return item.error();
  if (!*item) return std::optional<KvValue>();
  return std::optional<KvValue>(
      {std::move((*item)->value), std::move((*item)->content_type), (*item)->number});
}

void Attempt::get_kv(const std::string& key, Done<std::optional<KvValue>> done) {
  settled([self = shared_from_this(), key, done = std::move(done)](Result<void> ready) {
    if (!ready) return done(ready.error());
    done(self->read_kv(key));
  });
}

void Attempt::list_kv(const std::string& prefix, const std::string& after, int limit,
                      Done<KvPage> done) {
  settled([self = shared_from_this(), prefix, after, limit,
           done = std::move(done)](Result<void> ready) {
    if (!ready) return done(ready.error());
    auto stored = self->services_.reader.list_items(self->agent_, ItemKind::kKv, prefix, after,
                                                    limit, Values::kLeaveOut);
    if (!stored) return done(stored.error());
    std::map<std::string, KvEntry> entries;
    for (Item& item : stored->items) {
      entries[item.key] = {item.key, std::move(item.content_type), item.bytes, item.number};
    }
    // This attempt's own writes on top, as far as the page reaches.
    {
      const std::lock_guard lock(self->mutex_);
      for (const KvWrite& write : self->writes_.kv) {
        if (!write.key.starts_with(prefix) || write.key <= after) continue;
        if (stored->next && write.key > *stored->next) continue;
        if (!write.value) {
          entries.erase(write.key);
        } else {
          entries[write.key] = {write.key, write.content_type,
                                static_cast<std::int64_t>(write.value->size()), 0};
        }
      }
    }
    KvPage page;
    page.next = std::move(stored->next);
    for (auto& [key, entry] : entries) page.items.push_back(std::move(entry));
    done(std::move(page));
  });
}

Result<void> Attempt::add(TickWrites more) {
  const std::lock_guard lock(mutex_);
  if (over_) return over();
  written_bytes_ += bytes_of(more);
  if (written_bytes_ > kMaxWriteSetBytes) {
    return make_error(Code::kLimitExceeded, "StorageLimit",
                      "a tick must write at most " + std::to_string(kMaxWriteSetBytes) + " bytes");
  }
  append_writes(writes_, std::move(more));
  return {};
}

void Attempt::spend(const Usage& more) {
  const std::lock_guard lock(mutex_);
  usage_.steps += more.steps;
  usage_.tokens_in += more.tokens_in;
  usage_.tokens_out += more.tokens_out;
  usage_.iterations += more.iterations;
  if (usage_.iterations > facts_.max_iterations && !error_) {
    error_ = make_error(Code::kLimitExceeded, "TooManyIterations",
                        "a tick must use at most spec.config.maxIterations, " +
                            std::to_string(facts_.max_iterations) + ", iterations");
  }
}

Result<std::optional<StepRow>> Attempt::read_step(const StepKey& step) {
  if (!facts_.has_journal) {
    const std::lock_guard lock(mutex_);
    if (usage_.steps == 0) return std::optional<StepRow>();
  }
  auto item = services_.reader.get_item(agent_, ItemKind::kStep,
                                        step_key(facts_.envelope_id, step.name, step.occurrence));
  if (!item) return item.error();
  if (!*item) return std::optional<StepRow>();
  auto row = decode_step((*item)->value);
  if (!row) return row.error();
  if (row->input_hash != step.input_hash || row->revision != facts_.revision) {
    Error error = make_error(
        Code::kConflict, "NonDeterministic",
        "step \"" + shorten(step.name, 64) + "\" (occurrence " + std::to_string(step.occurrence) +
            ") must be run again with the same input and handler as its journalled result: " +
            (row->input_hash != step.input_hash ? "its input has changed"
                                                : "the agent has changed"));
    fail(error);
    return error;
  }
  return std::optional<StepRow>(std::move(*row));
}

void Attempt::find_step(StepKey step, Done<std::optional<std::string>> done) {
  if (auto good = check_name("step", step.name); !good) return done(good.error());
  settled([self = shared_from_this(), step = std::move(step),
           done = std::move(done)](Result<void> ready) {
    if (!ready) return done(ready.error());
    auto row = self->read_step(step);
    if (!row) return done(row.error());
    if (!*row) return done(std::optional<std::string>());
    self->note({{"event", "step"}, {"name", step.name}, {"outcome", "Replayed"}});
    done(std::optional<std::string>(std::move((*row)->value)));
  });
}

void Attempt::put_step(StepKey step, std::string value, Done<void> done) {
  if (auto good = check_name("step", step.name); !good) return done(good.error());
  if (value.size() > kMaxStepBytes) {
    return done(make_error(Code::kInvalidRequest, "PayloadTooLarge",
                           "the result of a step must be at most " + std::to_string(kMaxStepBytes) +
                               " bytes but has " + std::to_string(value.size())));
  }
  ItemWrite item{.kind = ItemKind::kStep,
                 .key = step_key(facts_.envelope_id, step.name, step.occurrence),
                 .value = encode(StepRow{step.input_hash, facts_.revision, std::move(value)})};
  spend({.steps = 1});
  journal(
      {std::move(item)}, {},
      [self = shared_from_this(), name = step.name, done = std::move(done)](Result<void> stored) {
        if (stored) self->note({{"event", "step"}, {"name", name}, {"outcome", "Recorded"}});
        done(std::move(stored));
      });
}

void Attempt::perform(EffectRequest effect, Done<EffectOutcome> done) {
  if (auto good = check_effect(effect); !good) return done(good.error());
  settled([self = shared_from_this(), effect = std::move(effect),
           done = std::move(done)](Result<void> ready) {
    if (!ready) return done(ready.error());
    auto item = self->services_.reader.get_item(self->agent_, ItemKind::kEffect, effect.key);
    if (!item) return done(item.error());
    if (!*item) return self->begin_effect(effect, done);
    auto row = decode_effect((*item)->value);
    if (!row) return done(row.error());
    if (row->outbox.empty()) return done(std::move(row->outcome));
    self->wait_for_effect(row->outbox, effect.key, done);
  });
}

void Attempt::begin_effect(EffectRequest effect, Done<EffectOutcome> done) {
  spend({.steps = 1});
  const Time now = services_.clock.now();
  OutboxRow row = outbox_row(effect, {id_, facts_.traceparent, now});
  auto found = actor();
  if (!found) return done(found.error());
  std::string key;
  {
    const std::lock_guard lock((*found)->mutex_);
    key = ordinal_key(++(*found)->last_ordinal_);
  }
  ItemWrite entry = outbox_item(row);
  entry.key = key;
  entry.number = 0;
  EffectRow pending;
  pending.outbox = key;
  ItemWrite state{.kind = ItemKind::kEffect, .key = effect.key, .value = encode(pending)};
  journal({std::move(entry), std::move(state)}, {},
          [self = shared_from_this(), key, row, done = std::move(done)](Result<void> stored) {
            if (!stored) return done(stored.error());
            self->services_.outputs.outbox(self->agent_, self->id_, key, row);
            self->wait_for_effect(key, row.id, done);
          });
}

void Attempt::wait_for_effect(const std::string& outbox, const std::string& effect,
                              Done<EffectOutcome> done) {
  services_.outputs.watch(
      agent_, outbox, effect,
      [done = std::move(done)](const EffectOutcome& outcome) { done(outcome); });
}

Result<ApprovalState> Attempt::approval_of(const std::string& id) {
  auto item = services_.reader.get_item(agent_, ItemKind::kApproval, id);
  if (!item) return item.error();
  if (!*item) {
    return ApprovalState{id, Decision::kExpired, "it was not decided in time"};
  }
  auto row = decode_approval((*item)->value);
  if (!row) return row.error();
  return ApprovalState{id, row->decision, row->note};
}

void Attempt::ask(ApprovalRequest request, Done<ApprovalState> done) {
  if (auto good = check_name("approval", request.name); !good) return done(good.error());
  settled([self = shared_from_this(), request = std::move(request),
           done = std::move(done)](Result<void> ready) {
    if (!ready) return done(ready.error());
    auto known = self->read_step({kApprovalStep + request.name, 0, {}});
    if (!known) return done(known.error());
    if (!*known) return self->begin_approval(request, done);
    auto state = self->approval_of((*known)->value);
    if (!state || state->decision != Decision::kPending) return done(std::move(state));
    // It may have waited for another one since, whose decision came.
    self->journal({}, state->id, [self, state = *state, done](Result<void> stored) {
      if (!stored) return done(stored.error());
      self->park();
      done(state);
    });
  });
}

void Attempt::park() {
  const std::lock_guard lock(mutex_);
  parks_ = true;
}

void Attempt::begin_approval(ApprovalRequest request, Done<ApprovalState> done) {
  const Time now = services_.clock.now();
  ApprovalRow row;
  row.id = services_.ids.uuid(now);
  row.envelope_id = facts_.envelope_id;
  row.name = request.name;
  row.question = std::move(request.question);
  row.created = now;
  row.expires = now + request.expires_in;
  spend({.steps = 1});
  ItemWrite approval{.kind = ItemKind::kApproval,
                     .key = row.id,
                     .value = encode(row),
                     .number = 1,
                     .due = Due{Due::Class::kWork, row.expires}};
  ItemWrite step{.kind = ItemKind::kStep,
                 .key = step_key(facts_.envelope_id, kApprovalStep + row.name, 0),
                 .value = encode(StepRow{{}, facts_.revision, row.id})};
  journal({std::move(approval), std::move(step)}, row.id,
          [self = shared_from_this(), id = row.id, done = std::move(done)](Result<void> stored) {
            if (!stored) return done(stored.error());
            self->park();
            done(ApprovalState{id, Decision::kPending, {}});
          });
}

void Attempt::compensate(EffectRequest undo, Done<void> done) {
  if (auto good = check_effect(undo); !good) return done(good.error());
  spend({.steps = 1});
  journal({{.kind = ItemKind::kCompensation, .value = encode(undo), .number = kNextOrdinal}}, {},
          std::move(done));
}

void Attempt::heartbeat(Duration next) {
  if (auto found = actor()) (*found)->handle(Beat{facts_.ticket, facts_.run, next});
}

void Attempt::emit(std::string_view event, Json data) {
  if (is_over() || !services_.outputs.emit) return;
  if (auto found = actor()) {
    data["tickId"] = tick_id(facts_.tick);
    data["attempt"] = facts_.number;
    services_.outputs.emit(agent_, (*found)->status().head.log, event, std::move(data));
  }
}

void Attempt::log(std::string_view level, std::string text) {
  Json event = {{"event", "log"},
                {"level", level},
                {"text", std::move(text)},
                {"time", format_time_millis(services_.clock.now())}};
  emit("log", {{"level", event["level"]}, {"text", event["text"]}, {"time", event["time"]}});
  note(std::move(event));
}

void Attempt::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
}

// Keeps an event with the tick; what is over the bound is dropped, and its place says so.
void Attempt::note(Json event) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  const std::size_t bytes =
      event.contains("text") ? event["text"].get_ref<const std::string&>().size() + 64 : 64;
  if (written_events_ + bytes > kMaxLogBytes) {
    if (!events_.empty() && events_.back().value("event", "") == "log_cut") return;
    events_.push_back({{"event", "log_cut"}, {"text", "the tick's log is over its limit"}});
    return;
  }
  written_events_ += bytes;
  if (!event.contains("time")) event["time"] = format_time_millis(services_.clock.now());
  events_.push_back(std::move(event));
}

}  // namespace oa::runtime
