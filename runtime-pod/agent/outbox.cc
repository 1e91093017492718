#include "runtime-pod/agent/outbox.h"

#include <algorithm>
#include <utility>

namespace oa::runtime {
namespace {

// After a failed read or commit.
constexpr Duration kTryAgain = std::chrono::seconds(1);

}  // namespace

// What is to be committed about a row, and what follows from it.
struct Outbox::Ending {
  OutboxId id;
  AgentCommit commit;
  std::optional<Trigger> event;  // the agent is told
  EffectOutcome outcome;         // of a final one
  std::optional<OutboxRow> row;  // it is tried again; absent: this is final
  Monotonic at;                  // of one that is tried again
};

std::shared_ptr<Outbox> Outbox::make(OutboxServices services, OutboxLimits limits) {
  return std::shared_ptr<Outbox>(new Outbox(std::move(services), limits));
}

Outbox::~Outbox() { stop(); }

template <typename Work>
void Outbox::enter(const std::weak_ptr<Outbox>& weak, Work work) {
  const auto self = weak.lock();
  if (!self) return;
  {
    const std::lock_guard lock(self->mutex_);
    if (self->stopped_) return;
    ++self->active_;
  }
  work(*self);
  const std::lock_guard lock(self->mutex_);
  if (--self->active_ == 0) self->idle_.notify_all();
}

void Outbox::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  idle_.wait(lock, [&] { return active_ == 0; });
  watchers_.clear();
}

void Outbox::wake(const DueRow& row, const std::function<void(bool again)>& done) {
  bool taken = false;
  enter(weak_from_this(), [&](Outbox& self) {
    const std::lock_guard lock(self.mutex_);
    taken = self.plan_.wake({row.agent, row.key});
    if (taken) self.pump_soon();
  });
  done(!taken);
}

void Outbox::added(AgentKey agent, const std::string& key, const OutboxRow& row) {
  enter(weak_from_this(), [&](Outbox& self) {
    const std::lock_guard lock(self.mutex_);
    self.plan_.added({agent, key}, row);
    self.pump_soon();
  });
}

void Outbox::watch(AgentKey agent, const std::string& key, const std::string& effect,
                   Watcher watcher) {
  enter(weak_from_this(), [&](Outbox& self) {
    const OutboxId id{agent, key};
    const std::lock_guard lock(self.mutex_);
    self.watchers_[id].push_back(std::move(watcher));
    // It may be over, and then nobody would tell.
    if (!self.plan_.has(id)) {
      self.services_.scheduler.post([weak = self.weak_from_this(), id, effect] {
        enter(weak, [&](Outbox& outbox) { outbox.look_at_effect(id, effect); });
      });
    }
  });
}

void Outbox::look_at_effect(const OutboxId& id, const std::string& effect) {
  {
    const std::lock_guard lock(mutex_);
    if (!watchers_.contains(id) || plan_.has(id)) return;
  }
  auto waiting = services_.get_item(id.agent, ItemKind::kOutbox, id.key);
  if (waiting && *waiting) {
    const std::lock_guard lock(mutex_);
    if (plan_.wake(id)) pump_soon();
    return;
  }
  auto item = waiting ? services_.get_item(id.agent, ItemKind::kEffect, effect)
                      : Result<std::optional<Item>>(waiting.error());
  if (!item) {
    services_.log.warn("an effect could not be read, and is read again later",
                       {{"effect", effect}, {"error", item.error()}});
    services_.scheduler.at(services_.clock.monotonic() + kTryAgain,
                           [weak = weak_from_this(), id, effect] {
                             enter(weak, [&](Outbox& self) { self.look_at_effect(id, effect); });
                           });
    return;
  }
  EffectOutcome lost;
  lost.error = make_error(Code::kNotFound, "the outcome of effect \"" + effect + "\" is not known");
  if (!*item) return tell(id, lost);
  auto row = decode_effect((*item)->value);
  if (!row) lost.error = row.error();
  tell(id, row && row->outbox.empty() ? row->outcome : lost);
}

void Outbox::tell(const OutboxId& id, const EffectOutcome& outcome) {
  std::vector<Watcher> watchers;
  {
    const std::lock_guard lock(mutex_);
    const auto found = watchers_.find(id);
    if (found == watchers_.end()) return;
    watchers = std::move(found->second);
    watchers_.erase(found);
  }
  for (const Watcher& watcher : watchers) watcher(outcome);
}

void Outbox::pump_soon() {
  if (std::exchange(pump_posted_, true)) return;
  services_.scheduler.post(
      [weak = weak_from_this()] { enter(weak, [](Outbox& self) { self.pump(); }); });
}

void Outbox::pump() {
  std::vector<OutboxRead> reads;
  std::vector<std::pair<OutboxId, OutboxRow>> rows;
  {
    const std::lock_guard lock(mutex_);
    pump_posted_ = false;
    reads = plan_.take_reads();
    for (OutboxId& id : plan_.take(services_.clock.monotonic())) {
      const OutboxRow& row = plan_.row(id);
      rows.emplace_back(std::move(id), row);
    }
    arm();
  }
  for (auto& [id, row] : rows) send(id, std::move(row));
  for (const OutboxRead& next : reads) read(next);
}

// By mutex_.
void Outbox::arm() {
  const auto at = plan_.wake_time();
  if (!at || (armed_ && *armed_ <= *at)) return;
  armed_ = at;
  services_.scheduler.at(*at, [weak = weak_from_this(), at = *at] {
    enter(weak, [at](Outbox& self) {
      const std::lock_guard lock(self.mutex_);
      if (self.armed_ == at) self.armed_.reset();
      self.pump_soon();
    });
  });
}

void Outbox::read(const OutboxRead& read) {
  OutboxPlan::Rows rows;
  std::optional<std::string> next;
  std::optional<Error> error;
  const auto take = [&](const Item& item) {
    auto row = decode_outbox(item.value);
    if (row) return void(rows.emplace_back(item.key, std::move(*row)));
    services_.log.error("a row of the outbox cannot be read, and stays as it is",
                        {{"key", item.key}, {"error", row.error()}});
  };
  if (read.key) {
    const auto item = services_.get_item(read.agent, ItemKind::kOutbox, *read.key);
    if (!item) error = item.error();
    if (item && *item) take(**item);
  } else {
    const auto page = services_.list_rows(read.agent, read.after, read.limit);
    if (!page) error = page.error();
    if (page) {
      std::for_each(page->items.begin(), page->items.end(), take);
      next = page->next;
    }
  }
  const std::lock_guard lock(mutex_);
  if (!error) {
    plan_.loaded(read, std::move(rows), std::move(next));
    pump_soon();
    return;
  }
  services_.log.warn("the outbox could not be read, and is read again later", {{"error", *error}});
  services_.scheduler.at(services_.clock.monotonic() + kTryAgain, [weak = weak_from_this(), read] {
    enter(weak, [&](Outbox& self) {
      const std::lock_guard again(self.mutex_);
      self.plan_.not_loaded(read);
      self.pump_soon();
    });
  });
}

void Outbox::send(const OutboxId& id, OutboxRow row) {
  if (!is_local(row)) return send_out(id, std::move(row));
  const std::size_t slash = row.to.find('/');
  const auto to = slash == std::string::npos
                      ? make_agent_id({}, row.to)
                      : make_agent_id(row.to.substr(0, slash), row.to.substr(slash + 1));
  if (!to) return attempted(id, std::move(row), judge_delivery(to.error()));
  Trigger message = make_message(row);
  services_.deliver(*to, std::move(message),
                    [weak = weak_from_this(), id, row = std::move(row)](Result<void> result) {
                      enter(weak,
                            [&](Outbox& self) { self.attempted(id, row, judge_delivery(result)); });
                    });
}

void Outbox::send_out(const OutboxId& id, OutboxRow row) {
  const Time now = services_.clock.now();
  std::string secret;
  if (row.kind == OutboxRow::Kind::kCallback && !row.secret.empty()) {
    auto found = services_.secret(row.secret);
    if (!found) {
      // It may be mounted yet; nothing leaves without its signature.
      Error why = make_error(Code::kUnavailable, "SecretMissing", found.error().detail);
      return attempted(id, std::move(row), judge_delivery(std::move(why)));
    }
    secret = std::move(*found);
  }
  auto request = std::make_shared<const Outgoing>(make_outgoing(row, services_.epoch, secret, now));
  services_.sender.send(*request, [weak = weak_from_this(), id, row = std::move(row),
                                   request](Result<OutgoingAnswer> answer) {
    enter(weak, [&](Outbox& self) {
      self.attempted(id, row, judge(*request, std::move(answer), self.services_.clock.now()));
    });
  });
}

void Outbox::attempted(const OutboxId& id, OutboxRow row, Attempted result) {
  const Time now = services_.clock.now();
  const Time last = row.created + row.effect.max_age;
  const bool is_effect = row.kind == OutboxRow::Kind::kEffect;
  ++row.attempts;
  if (result.verdict == Attempted::Verdict::kRetry && now >= last) {
    result.verdict = Attempted::Verdict::kFailed;
  }
  auto ending = std::make_shared<Ending>();
  ending->id = id;
  ending->commit.agent = id.agent;
  ending->commit.time = now;
  ItemWrite entry{ItemKind::kOutbox, id.key, std::nullopt};
  if (result.verdict == Attempted::Verdict::kRetry) {
    const Duration backoff = outbox_backoff(row.attempts, services_.jitter());
    // The last attempt is at the end of its age.
    const Duration wait = std::min(std::max(backoff, result.wait), last - now);
    row.last_error = result.outcome.error;
    entry.value = encode(row);
    entry.number = 0;
    entry.due = Due{Due::Class::kWork, now + wait};
    ending->at = services_.clock.monotonic() + wait;
    ending->row = std::move(row);
  } else {
    ending->outcome = std::move(result.outcome);
    if (result.verdict == Attempted::Verdict::kFailed) {
      services_.log.warn("the outbox has given something up", {{"agent", row.sender},
                                                               {"id", row.id},
                                                               {"attempts", row.attempts},
                                                               {"error", ending->outcome.error}});
      if (row.kind != OutboxRow::Kind::kCallback) {
        ending->event = make_failure_event(row, id.key, ending->outcome.error, now);
      }
    }
  }
  ending->commit.items.push_back(std::move(entry));
  if (!ending->row && is_effect) {
    ending->commit.items.push_back(
        {.kind = ItemKind::kEffect,
         .key = row.effect.key,
         .value = encode(EffectRow{{}, ending->outcome, row.attempts, now}),
         .number = 0,
         .due = Due{Due::Class::kExpiry, now + kRemembered}});
  }
  commit(ending);
}

void Outbox::commit(const std::shared_ptr<const Ending>& ending) {
  auto done = [weak = weak_from_this(), ending](const Result<Committed>& result) {
    enter(weak, [&](Outbox& self) { self.committed(ending, result); });
  };
  if (ending->event) {
    services_.give_event(ending->id.agent, *ending->event, ending->commit, std::move(done));
  } else {
    services_.commits.submit(ending->commit, std::move(done));
  }
}

void Outbox::committed(const std::shared_ptr<const Ending>& ending,
                       const Result<Committed>& result) {
  const OutboxId& id = ending->id;
  if (result) {
    {
      const std::lock_guard lock(mutex_);
      if (ending->row) {
        plan_.retry(id, *ending->row, ending->at);
      } else {
        plan_.finish(id);
      }
      pump_soon();
    }
    if (!ending->row) tell(id, ending->outcome);
    return;
  }
  if (result.error().code == Code::kNotFound) {
    const std::lock_guard lock(mutex_);
    plan_.forget(id.agent);
    watchers_.erase(watchers_.lower_bound({id.agent, {}}),
                    watchers_.lower_bound({id.agent + 1, {}}));
    return;
  }
  if (result.error().reason == "StorageClosed" || result.error().reason == "Stopping") {
    // Nothing can be committed any more, so nothing may be sent either.
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    return;
  }
  services_.log.warn("an outcome of the outbox could not be committed, and is later",
                     {{"key", id.key}, {"error", result.error()}});
  services_.scheduler.at(services_.clock.monotonic() + kTryAgain,
                         [weak = weak_from_this(), ending] {
                           enter(weak, [&](Outbox& self) { self.commit(ending); });
                         });
}

}  // namespace oa::runtime
