#include "runtime-pod/verbs/run.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/text.h"
#include "runtime-pod/agent/tick.h"

namespace oa::runtime {
namespace {

constexpr Duration kMaxWait = std::chrono::minutes(10);

// Until what is to outlast its caller is on disk, its own deadline must not end it.
constexpr Duration kPersistMargin = std::chrono::seconds(5);

// What an envelope that was taken before has come to.
Result<RunOutcome> recorded_outcome(const std::string& id, const EnvelopeRow& row) {
  if (row.report) return RunOutcome{id, row.report, true};
  if (row.error) return *row.error;
  return make_error(Code::kConflict, "InProgress",
                    "envelope " + shorten(id, 64) + " was taken before and is " +
                        std::string(status_name(row.status)) + ": ask for its outcome");
}

class WaitedRun : public RunCaller, public std::enable_shared_from_this<WaitedRun> {
 public:
  WaitedRun(const Services& services, RunRequest request,
            std::function<void(Result<RunOutcome>)> done)
      : services_(services), request_(std::move(request)), done_(std::move(done)) {}

  void start();
  void leave() override;

 private:
  void look_up(AgentKey agent);
  void watch(AgentKey agent);
  void deliver();
  void accepted(const std::shared_ptr<Actor>& actor, Ticket ticket);
  void wait_is_over();
  void persist(const std::shared_ptr<Actor>& actor, Ticket ticket);
  void happened(const StreamEvent& event);
  void end(Result<RunOutcome> outcome);

  const Services& services_;

  std::mutex mutex_;
  // By mutex_ from `deliver` on, as all below.
  RunRequest request_;
  std::function<void(Result<RunOutcome>)> done_;  // empty: it was called
  AgentId agent_;
  std::optional<ReplayKey> replay_;
  bool is_known_ = false;    // the sender names its envelope: it may have been taken before
  std::string envelope_id_;  // of this request; a repeat's answer has another
  Envelope envelope_;
  std::size_t bytes_ = 0;
  std::shared_ptr<Actor> actor_;  // with the acceptance, as the ticket
  Ticket ticket_ = 0;
  bool has_left_ = false;
  bool has_waited_ = false;
  std::string tick_id_;  // of its tick, once that has started
  Watchers::Subscription subscription_;
};

void WaitedRun::start() {
  const Time now = services_.clock.now();
  Intake& intake = request_.intake;
  agent_ = intake.agent;
  if (auto good = check_intake(intake, now); !good) return end(good.error());
  if (intake.seq && intake.envelope_id.empty()) {
    intake.envelope_id = sequence_id(intake.source, intake.sender, *intake.seq);
  }
  replay_ = replay_key(intake);
  is_known_ = !intake.envelope_id.empty();
  bytes_ = intake.body.size();
  if (request_.payload) intake.content_type = intake.body = {};
  auto envelope = make_envelope(std::move(intake), now, services_.ids.uuid(now));
  if (!envelope) return end(envelope.error());
  if (request_.payload) envelope->payload = std::move(*request_.payload);
  envelope_ = std::move(*envelope);
  envelope_id_ = envelope_.id;
  find_agent(services_, agent_, [self = shared_from_this()](Result<std::shared_ptr<Actor>> found) {
    if (!found) return self->end(found.error());
    const AgentKey agent = (*found)->key();
    if (self->request_.told) self->watch(agent);
    if (!self->is_known_) return self->deliver();
    self->services_.scheduler.post([self, agent] { self->look_up(agent); });
  });
}

void WaitedRun::look_up(AgentKey agent) {
  auto item = services_.reader.get_item(agent, ItemKind::kEnvelope, envelope_id_);
  if (!item) return end(item.error());
  if (!*item) return deliver();
  auto row = decode_envelope((*item)->value);
  if (!row) return end(row.error());
  end(recorded_outcome(envelope_id_, *row));
}

void WaitedRun::watch(AgentKey agent) {
  auto subscription =
      services_.watchers.subscribe(agent, [weak = weak_from_this()](const StreamEvent& event) {
        if (const auto self = weak.lock()) self->happened(event);
      });
  const std::lock_guard lock(mutex_);
  subscription_ = std::move(subscription);
}

void WaitedRun::deliver() {
  const auto self = shared_from_this();
  Delivery delivery{.agent = agent_,
                    .kind = QueueItem::Kind::kTick,
                    .trigger = {request_.trigger, std::move(envelope_)},
                    .replay = std::move(replay_),
                    .bytes = bytes_,
                    .patience = services_.run_timeout};
  if (request_.wait) {
    const Duration wait = std::min(*request_.wait, kMaxWait);
    delivery.patience = std::max(delivery.patience, wait + kPersistMargin);
    services_.scheduler.at(services_.clock.monotonic() + wait, [weak = weak_from_this()] {
      if (const auto run = weak.lock()) run->wait_is_over();
    });
  }
  delivery.accepted = [self](const std::shared_ptr<Actor>& actor, Ticket ticket) {
    self->accepted(actor, ticket);
  };
  services_.host.deliver(std::move(delivery), [self](Result<TickReport> report) {
    if (!report) return self->end(report.error());
    const bool is_repeat = report->envelope_id != self->envelope_id_;
    RunOutcome outcome{report->envelope_id, std::nullopt, is_repeat};
    if (!report->is_waiting) outcome.report = std::move(*report);
    self->end(std::move(outcome));
  });
}

void WaitedRun::accepted(const std::shared_ptr<Actor>& actor, Ticket ticket) {
  bool has_left = false;
  bool has_waited = false;
  {
    const std::lock_guard lock(mutex_);
    if (!done_) return;
    actor_ = actor;
    ticket_ = ticket;
    has_left = has_left_;
    has_waited = has_waited_;
  }
  if (has_left) return actor->abandon(ticket);
  if (has_waited) persist(actor, ticket);
}

void WaitedRun::leave() {
  std::shared_ptr<Actor> actor;
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!done_) return;
    has_left_ = true;
    actor = actor_;
    ticket = ticket_;
  }
  if (actor) actor->abandon(ticket);
}

void WaitedRun::wait_is_over() {
  std::shared_ptr<Actor> actor;
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!done_) return;
    has_waited_ = true;
    actor = actor_;
    ticket = ticket_;
  }
  if (actor) persist(actor, ticket);
}

void WaitedRun::persist(const std::shared_ptr<Actor>& actor, Ticket ticket) {
  actor->persist(ticket, [self = shared_from_this()](std::optional<Result<std::string>> envelope) {
    // If there is no room for a row, the caller waits as if it had not asked for less.
    if (envelope && *envelope) self->end(RunOutcome{**envelope, std::nullopt});
  });
}

void WaitedRun::happened(const StreamEvent& event) {
  if (!event.speculative) return;
  Json data = Json::parse(event.data, nullptr, /*allow_exceptions=*/false);
  if (!data.is_object()) return;
  RunEvent told{event.name, data.value("tickId", ""), data.value("attempt", 1), {}};
  const bool is_start = event.name == "tick_start";
  {
    const std::lock_guard lock(mutex_);
    if (!done_) return;
    if (is_start && data.value("envelopeId", "") == envelope_id_) tick_id_ = told.tick_id;
    if (tick_id_.empty() || told.tick_id != tick_id_) return;
  }
  if (!is_start) {
    for (const char* name : {"tickId", "attempt", "time"}) data.erase(name);
    told.data = std::move(data);
  }
  request_.told(told);
}

// The subscription ends before the caller is told, so that nothing comes after the end.
void WaitedRun::end(Result<RunOutcome> outcome) {
  std::function<void(Result<RunOutcome>)> done;
  Watchers::Subscription subscription;
  {
    const std::lock_guard lock(mutex_);
    if (!done_) return;
    done.swap(done_);
    subscription = std::move(subscription_);
    actor_.reset();
  }
  { const Watchers::Subscription ends = std::move(subscription); }
  done(std::move(outcome));
}

}  // namespace

std::shared_ptr<RunCaller> run(const Services& services, RunRequest request,
                               std::function<void(Result<RunOutcome>)> done) {
  auto one = std::make_shared<WaitedRun>(services, std::move(request), std::move(done));
  one->start();
  return one;
}

}  // namespace oa::runtime
