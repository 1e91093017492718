#include "runtime-pod/agent/host.h"

#include <algorithm>
#include <utility>

#include "core/json.h"
#include "core/schema.h"
#include "runtime-pod/agent/schedules.h"
#include "runtime-pod/alarms/schedule.h"

namespace oa::runtime {
namespace {

// How many agents are looked at for one to let go, so that a full house costs little per arrival.
constexpr int kRoomTries = 16;

Error no_such_agent(const AgentId& id) {
  return make_error(Code::kNotFound, "agent " + to_string(id) + " does not exist");
}

Error corrupt(const AgentId& id, const Error& why) {
  return make_error(Code::kInternal, "Corrupt",
                    "the stored rows of agent " + to_string(id) + " cannot be read: " + why.detail);
}

// A stored manifest may be of a newer program: fields that this one does not know are ignored.
Result<AgentSpec> stored_spec(const AgentRow& row) {
  auto manifest = parse_json(row.manifest);
  if (!manifest) return corrupt(row.id, manifest.error());
  auto spec = parse_spec(manifest->value("spec", Json::object()), schema::Unknown::kIgnore);
  if (!spec) return corrupt(row.id, spec.error());
  return *spec;
}

std::string manifest_text(const Agent& agent) { return to_manifest(agent).dump(); }

}  // namespace

Host::Host(HostOptions options, ActorServices& services, InputGate& gate, Reader& reader)
    : options_(options), services_(services), gate_(gate), reader_(reader) {}

std::shared_ptr<Actor> Host::awake(const AgentId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return *found->second;
}

std::shared_ptr<Actor> Host::awake(AgentKey key) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return *found->second;
}

void Host::find(AgentKey key, Found found) {
  if (auto actor = awake(key)) {
    found(std::move(actor));
    return;
  }
  services_.scheduler.post([this, key, found = std::move(found)] {
    auto stored = reader_.find_agent(key);
    if (!stored) return found(stored.error());
    if (!*stored) return found(make_error(Code::kNotFound, "the agent does not exist any more"));
    find((*stored)->row.id, found);
  });
}

void Host::find(const AgentId& id, Found found) {
  if (auto actor = awake(id)) {
    found(std::move(actor));
    return;
  }
  exclusively(id, [this, id, found = std::move(found)] {
    auto actor = awake(id);
    Result<std::shared_ptr<Actor>> result = actor ? actor : load(id);
    finish(id);
    found(std::move(result));
  });
}

// Only within `exclusively`.
Result<std::shared_ptr<Actor>> Host::load(const AgentId& id) {
  auto stored = reader_.find_agent(id);
  if (!stored) return stored.error();
  if (!*stored) return no_such_agent(id);
  StoredAgent& agent = **stored;
  auto spec = stored_spec(agent.row);
  if (!spec) return spec.error();
  std::shared_ptr<const Json> state;
  const std::size_t state_bytes = agent.state ? agent.state->size() : 0;
  if (agent.state) {
    auto parsed = parse_json(*agent.state);
    if (!parsed) return corrupt(id, parsed.error());
    state = std::make_shared<const Json>(std::move(*parsed));
  }
  auto actor = std::make_shared<Actor>(services_, std::move(agent.row), agent.head,
                                       std::move(state), state_bytes, *spec);
  if (auto done = load_inbox(*actor); !done) return done.error();
  keep(actor);
  return actor;
}

Result<bool> Host::waits_for_decision(AgentKey agent, const std::string& approval) {
  if (approval.empty()) return false;
  auto item = reader_.get_item(agent, ItemKind::kApproval, approval);
  if (!item) return item.error();
  if (!*item) return false;
  auto row = decode_approval((*item)->value);
  if (!row) return row.error();
  return row->decision == Decision::kPending;
}

// What was taken before the agent went to sleep.
Result<void> Host::load_inbox(Actor& actor) {
  std::string after;
  for (;;) {
    auto page = reader_.list_items(actor.key(), ItemKind::kInbox, "", after, kMaxListLimit,
                                   Values::kInclude);
    if (!page) return page.error();
    for (Item& item : page->items) {
      auto row = decode_inbox(item.value);
      if (!row) return corrupt(actor.id(), row.error());
      auto waits = waits_for_decision(actor.key(), row->approval);
      if (!waits) return waits.error();
      if (!*waits) actor.resume(item.key, std::move(*row));
    }
    if (!page->next) return {};
    after = *page->next;
  }
}

void Host::keep(const std::shared_ptr<Actor>& actor) {
  const std::lock_guard lock(mutex_);
  recent_.push_front(actor);
  by_id_[actor->id()] = recent_.begin();
  by_key_[actor->key()] = recent_.begin();
  make_room();
}

// With mutex_ held. The newest stays, however large.
void Host::make_room() {
  auto oldest = std::prev(recent_.end());
  for (int tries = 0; tries < kRoomTries && oldest != recent_.begin(); ++tries) {
    if (services_.awake_bytes <= options_.max_awake_bytes) return;
    const auto next = std::prev(oldest);
    if ((*oldest)->retire()) {
      by_id_.erase((*oldest)->id());
      by_key_.erase((*oldest)->key());
      recent_.erase(oldest);
    }
    oldest = next;
  }
}

void Host::let_go(const AgentId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  by_key_.erase((*found->second)->key());
  recent_.erase(found->second);
  by_id_.erase(found);
}

bool Host::release(const AgentId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return true;
  if (!(*found->second)->retire()) return false;
  by_key_.erase((*found->second)->key());
  recent_.erase(found->second);
  by_id_.erase(found);
  return true;
}

// Runs `work` on a worker once no other work holds this agent; `work` ends with `finish`.
void Host::exclusively(const AgentId& id, Work work) {
  {
    const std::lock_guard lock(mutex_);
    const auto [found, is_free] = exclusive_.try_emplace(id);
    if (!is_free) {
      found->second.push_back(std::move(work));
      return;
    }
  }
  services_.scheduler.post(std::move(work));
}

void Host::finish(const AgentId& id) {
  Work next;
  {
    const std::lock_guard lock(mutex_);
    const auto found = exclusive_.find(id);
    if (found->second.empty()) {
      exclusive_.erase(found);
      return;
    }
    next = std::move(found->second.front());
    found->second.pop_front();
  }
  services_.scheduler.post(std::move(next));
}

void Host::deliver(Delivery delivery, Answered answered) {
  auto permit = gate_.admit(delivery.bytes);
  if (!permit) {
    answered(permit.error());
    return;
  }
  auto submission = std::make_shared<Submission>();
  submission->kind = delivery.kind;
  submission->trigger = std::move(delivery.trigger);
  submission->items = std::move(delivery.items);
  submission->replay = std::move(delivery.replay);
  submission->permit.emplace(std::move(*permit));
  submission->answered = std::move(answered);
  submit(submission, std::make_shared<const Delivery>(std::move(delivery)));
}

void Host::submit(const std::shared_ptr<Submission>& submission,
                  const std::shared_ptr<const Delivery>& delivery) {
  find(delivery->agent, [this, submission, delivery](Result<std::shared_ptr<Actor>> found) {
    if (!found) {
      submission->answered(found.error());
      return;
    }
    Actor& actor = **found;
    submission->deadline = services_.clock.monotonic() +
                           std::max(delivery->patience, actor.spec()->config.max_tick_duration);
    // Retired in between: the host has let go of it, or is about to.
    if (!actor.submit(*submission)) return submit(submission, delivery);
    if (delivery->accepted && submission->ticket != 0) {
      delivery->accepted(*found, submission->ticket);
    }
  });
}

void Host::dispatch(Dispatch dispatch, std::function<void(Result<void>)> taken) {
  auto permit = gate_.admit(dispatch.bytes);
  if (!permit) return taken(permit.error());
  auto one = std::make_shared<Deposit>();
  one->trigger = std::move(dispatch.trigger);
  one->job = std::move(dispatch.job);
  one->items = std::move(dispatch.items);
  one->is_ordered = dispatch.is_ordered;
  one->is_again = dispatch.is_again;
  one->permit.emplace(std::move(*permit));
  one->taken = std::move(taken);
  deposit(one, dispatch.agent);
}

// By id or by key.
template <typename Agent>
void Host::deposit(const std::shared_ptr<Deposit>& deposit, const Agent& agent) {
  find(agent, [this, deposit, agent](Result<std::shared_ptr<Actor>> found) {
    if (!found) return deposit->taken(found.error());
    if (!(*found)->deposit(*deposit)) this->deposit(deposit, agent);
  });
}

void Host::tell(AgentKey agent, Trigger trigger, std::vector<ItemWrite> items,
                std::function<void(Result<void>)> taken) {
  auto one = std::make_shared<Deposit>();
  one->trigger = std::move(trigger);
  one->items = std::move(items);
  one->is_internal = true;
  one->taken = std::move(taken);
  deposit(one, agent);
}

void Host::append(const AgentId& id, std::vector<ItemWrite> items,
                  std::function<void(Result<Committed>)> done) {
  if (auto open = gate_.check(); !open) return done(open.error());
  auto rows = std::make_shared<std::vector<ItemWrite>>(std::move(items));
  find(id, [this, id, rows, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    // A copy: an actor that has retired takes nothing, and the next one is asked.
    if (!(*found)->append(*rows, done)) append(id, *rows, done);
  });
}

void Host::resume(const AgentId& id, const std::string& key, const InboxRow& row,
                  std::function<void(Result<void>)> done) {
  find(id, [this, id, key, row, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error());
    if (!(*found)->resume(key, row)) return resume(id, key, row, done);
    done({});
  });
}

void Host::fire(const DueRow& row, std::function<void(bool again)> done) {
  find(row.agent, [this, row, done = std::move(done)](Result<std::shared_ptr<Actor>> found) {
    // An agent that is gone takes its rows with it; one that cannot be read may be later.
    if (!found) return done(found.error().code != Code::kNotFound);
    const bool is_alarm = row.kind == ItemKind::kAlarm || row.kind == ItemKind::kSchedule;
    // The inbox is read when an agent wakes.
    if (!is_alarm) return done(false);
    if (!(*found)->fire(row, done)) fire(row, done);
  });
}

void Host::put(const Agent& agent, PutMode mode, std::string uid,
               std::function<void(Result<PutResult>)> done) {
  exclusively(agent.id, [this, agent, mode, uid = std::move(uid), done = std::move(done)] {
    put_alone(agent, mode, uid, done);
  });
}

void Host::put_alone(const Agent& agent, PutMode mode, std::string uid,
                     const std::function<void(Result<PutResult>)>& done) {
  const auto end = [this, id = agent.id, done](Result<PutResult> result) {
    finish(id);
    done(std::move(result));
  };
  const auto stored = reader_.find_agent(agent.id);
  if (!stored) return end(stored.error());
  const AgentRow* existing = *stored ? &(*stored)->row : nullptr;
  if (uid.empty()) uid = existing ? existing->uid : services_.ids.uuid(services_.clock.now());
  AgentRow row{0, agent.id, std::move(uid), services_.clock.now(), manifest_text(agent)};
  if (existing != nullptr && existing->manifest == row.manifest && existing->uid == row.uid) {
    return end(PutResult{*existing, false});
  }
  if (existing != nullptr && mode == PutMode::kCreate) {
    return end(make_error(Code::kConflict, "AlreadyExists",
                          "agent " + to_string(agent.id) +
                              " exists already, with another manifest; PUT replaces it"));
  }
  auto rows = schedule_rows(agent, existing != nullptr ? existing->key : 0);
  if (!rows) return end(rows.error());
  services_.commits.submit(AgentPut{std::move(row), std::move(*rows), agent.spec.config.retention},
                           [this, end, spec = agent.spec](Result<Committed> committed) {
                             if (!committed) return end(committed.error());
                             if (const auto actor = awake(committed->row.id)) {
                               actor->update(committed->row, spec);
                             }
                             end(PutResult{committed->row, !committed->replaced});
                           });
}

// What makes the rows of the agent's schedules fit its manifest.
Result<std::vector<ItemWrite>> Host::schedule_rows(const Agent& agent, AgentKey existing) {
  if (auto good = check_schedules(agent.spec); !good) return good.error();
  std::vector<Item> rows;
  if (existing != 0) {
    auto page =
        reader_.list_items(existing, ItemKind::kSchedule, "", "", kMaxListLimit, Values::kInclude);
    if (!page) return page.error();
    rows = std::move(page->items);
  }
  auto items = fit_schedules(agent.spec.schedules, rows, services_.clock.now());
  if (!items) return items.error();
  // Of a manifest's row nobody waits for its generation: its time tells it from the one before.
  for (ItemWrite& item : *items) {
    if (item.number == kNextOrdinal) {
      item.number = services_.clock.now().time_since_epoch().count();
    }
  }
  return items;
}

void Host::restore(AgentRestore restore, std::function<void(Result<AgentRow>)> done) {
  const AgentId id = restore.row.id;
  auto one = std::make_shared<AgentRestore>(std::move(restore));
  exclusively(id, [this, one, done = std::move(done)] { restore_alone(*one, done); });
}

void Host::restore_alone(AgentRestore& restore, const std::function<void(Result<AgentRow>)>& done) {
  const AgentId id = restore.row.id;
  const auto end = [this, id, done](Result<AgentRow> result) {
    finish(id);
    done(std::move(result));
  };
  const auto stored = reader_.find_agent(id);
  if (!stored) return end(stored.error());
  if (*stored) {
    const auto spec = stored_spec((*stored)->row);
    if (!spec) return end(spec.error());
    restore.max_storage_bytes = spec->config.max_storage_bytes;
  }
  // What it is in memory is not what it will be on disk. The next one who wants it loads it.
  if (const auto actor = awake(id)) {
    if (!actor->retire()) {
      return end(make_error(Code::kConflict, "AlreadyExists",
                            "agent " + to_string(id) + " is at work and cannot be replaced"));
    }
    let_go(id);
  }
  services_.commits.submit(std::move(restore),
                           [end, existing = *stored ? std::optional((*stored)->row)
                                                    : std::nullopt](Result<Committed> committed) {
                             if (!committed) return end(committed.error());
                             end(existing ? *existing : committed->row);
                           });
}

void Host::remove(const AgentId& id, std::function<void(Result<void>)> done) {
  exclusively(id, [this, id, done = std::move(done)] { remove_alone(id, done); });
}

void Host::remove_alone(const AgentId& id, const std::function<void(Result<void>)>& done) {
  const auto end = [this, id, done](Result<void> result) {
    finish(id);
    done(std::move(result));
  };
  const auto stored = reader_.find_agent(id);
  if (!stored) return end(stored.error());
  if (!*stored) return end(no_such_agent(id));
  // Whoever finds the agent from now on waits for the end of this. If the deletion fails, the next
  // one loads it again.
  if (const auto actor = awake(id)) {
    let_go(id);
    actor->discard(make_error(Code::kNotFound, "agent " + to_string(id) + " was deleted"));
  }
  const AgentKey key = (*stored)->row.key;
  services_.commits.submit(AgentRemove{key}, [this, end, key](Result<Committed> committed) {
    if (committed && services_.outputs.removed) services_.outputs.removed(key);
    end(committed ? Result<void>() : Result<void>(committed.error()));
  });
}

void Host::discard(const Error& why) {
  std::list<std::shared_ptr<Actor>> all;
  {
    const std::lock_guard lock(mutex_);
    all = recent_;
  }
  for (const auto& actor : all) actor->discard(why);
}

}  // namespace oa::runtime
