#include "runtime-pod/agent/host.h"

#include <algorithm>
#include <utility>

#include "core/json.h"
#include "core/schema.h"

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
  keep(actor);
  return actor;
}

void Host::keep(const std::shared_ptr<Actor>& actor) {
  const std::lock_guard lock(mutex_);
  recent_.push_front(actor);
  by_id_[actor->id()] = recent_.begin();
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
      recent_.erase(oldest);
    }
    oldest = next;
  }
}

void Host::let_go(const AgentId& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  recent_.erase(found->second);
  by_id_.erase(found);
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
  auto submission = std::make_shared<Submission>(Submission{delivery.kind,
                                                            std::move(delivery.trigger),
                                                            std::move(delivery.kv),
                                                            {},
                                                            std::move(*permit),
                                                            std::move(answered)});
  submit(submission, delivery.agent, delivery.patience);
}

void Host::submit(const std::shared_ptr<Submission>& submission, const AgentId& id,
                  Duration patience) {
  find(id, [this, submission, id, patience](Result<std::shared_ptr<Actor>> found) {
    if (!found) {
      submission->answered(found.error());
      return;
    }
    Actor& actor = **found;
    submission->deadline =
        services_.clock.monotonic() + std::max(patience, actor.max_tick_duration());
    // Retired in between: the host has let go of it, or is about to.
    if (!actor.submit(*submission)) submit(submission, id, patience);
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
  services_.commits.submit(AgentPut{std::move(row)},
                           [this, end, spec = agent.spec](Result<Committed> committed) {
                             if (!committed) return end(committed.error());
                             if (const auto actor = awake(committed->row.id)) {
                               actor->update(committed->row, spec);
                             }
                             end(PutResult{committed->row, !committed->replaced});
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
  services_.commits.submit(AgentRemove{(*stored)->row.key}, [end](Result<Committed> committed) {
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
