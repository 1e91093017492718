// One start of the handler: what its context does (handlers/handler.h), and what has gathered when
// it is done. Once it is over, its context refuses everything.
//
// Thread-safety: can be used from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/handlers/handler.h"

namespace oa::runtime {

class Attempt : public TickContext, public std::enable_shared_from_this<Attempt> {
 public:
  struct Facts {
    Ticket ticket = 0;
    Run run = 0;
    std::int64_t tick = 0;
    int number = 1;
    std::string envelope_id;
    std::string traceparent;
    std::string revision;      // of the handler
    bool has_journal = false;  // an earlier attempt may have journalled something
    int max_iterations = 0;
  };

  Attempt(ActorServices& services, std::weak_ptr<Actor> actor, AgentKey agent, AgentId id,
          Facts facts)
      : services_(services),
        actor_(std::move(actor)),
        agent_(agent),
        id_(std::move(id)),
        facts_(std::move(facts)) {}

  // No more calls; whoever wants to know is told.
  void end();

  struct Gathered {
    TickWrites writes;
    Usage usage;
    Json events = Json::array();
    std::optional<Error> error;  // the attempt has failed, whatever the handler says
    bool parks = false;
  };
  Gathered take();

  bool is_over() const override;
  void on_over(std::function<void()> told) override;
  void get_kv(const std::string& key, Done<std::optional<KvValue>> done) override;
  void list_kv(const std::string& prefix, const std::string& after, int limit,
               Done<KvPage> done) override;
  Result<void> add(TickWrites more) override;
  void spend(const Usage& more) override;
  void find_step(StepKey step, Done<std::optional<std::string>> done) override;
  void put_step(StepKey step, std::string value, Done<void> done) override;
  void perform(EffectRequest effect, Done<EffectOutcome> done) override;
  void ask(ApprovalRequest request, Done<ApprovalState> done) override;
  void compensate(EffectRequest undo, Done<void> done) override;
  void heartbeat(Duration next) override;
  void emit(std::string_view event, Json data) override;
  void log(std::string_view level, std::string text) override;

 private:
  // CONFLICT, reason TickOver, once it is over.
  Result<std::shared_ptr<Actor>> actor() const;
  // `then` on a worker, once the commits before this run are on disk.
  void settled(std::function<void(Result<void>)> then);
  void journal(std::vector<ItemWrite> items, const std::string& approval,
               std::function<void(Result<void>)> done);
  Result<std::optional<StepRow>> read_step(const StepKey& step);
  Result<std::optional<KvValue>> read_kv(const std::string& key);
  void begin_effect(EffectRequest effect, Done<EffectOutcome> done);
  void wait_for_effect(const std::string& outbox, const std::string& effect,
                       Done<EffectOutcome> done);
  Result<ApprovalState> approval_of(const std::string& id);
  void begin_approval(ApprovalRequest request, Done<ApprovalState> done);
  void park();
  void fail(Error error);
  void note(Json event);

  ActorServices& services_;
  const std::weak_ptr<Actor> actor_;
  const AgentKey agent_;
  const AgentId id_;
  const Facts facts_;

  mutable std::mutex mutex_;
  bool over_ = false;  // by mutex_, as all below
  std::vector<std::function<void()>> told_;
  TickWrites writes_;
  std::size_t written_bytes_ = 0;
  std::size_t written_events_ = 0;
  Usage usage_;
  Json events_ = Json::array();
  std::optional<Error> error_;
  bool parks_ = false;
};

}  // namespace oa::runtime
