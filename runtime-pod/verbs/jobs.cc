#include "runtime-pod/verbs/jobs.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/text.h"
#include "libs/net/url.h"
#include "runtime-pod/agent/jobs.h"

namespace oa::runtime {
namespace {

// A tick that commits at this moment ends before its job can be cancelled.
constexpr Duration kCancelPause = std::chrono::milliseconds(20);
constexpr int kCancelTries = 250;

Error no_such_job(const std::string& id) {
  return make_error(Code::kNotFound, "job \"" + shorten(id, 64) + "\" does not exist");
}

Error too_late(const JobRow& job) {
  return make_error(Code::kConflict, "TooLate",
                    "job " + shorten(job.id, 64) + " must not be over to be cancelled but has " +
                        std::string(status_name(job.status)));
}

Result<std::optional<JobRow>> read_job(Reader& reader, AgentKey agent, const std::string& id) {
  auto item = reader.get_item(agent, ItemKind::kJob, id);
  if (!item) return item.error();
  if (!*item) return std::optional<JobRow>();
  auto row = decode_job((*item)->value);
  if (!row) return row.error();
  return std::optional<JobRow>(std::move(*row));
}

// The row says it only after the job's first tick.
void show_running(const Actor& actor, JobRow& job) {
  if (job.status != JobRow::Status::kQueued) return;
  const Phase phase = actor.phase(job.envelope_id);
  if (phase == Phase::kHandling || phase == Phase::kCommitting) {
    job.status = JobRow::Status::kRunning;
  }
}

Result<void> check(const JobRequest& request, Time now) {
  if (request.ttl && (*request.ttl < kMinJobTtl || *request.ttl > kMaxJobTtl)) {
    return invalid_fields({{"ttl", format_duration(*request.ttl), "be between 1s and 8760h"}});
  }
  if (request.within && request.deadline) {
    return invalid_fields({{"deadline", "", "be a time or a duration, not both"}});
  }
  if (request.deadline && *request.deadline <= now) {
    return invalid_fields({{"deadline", format_time_millis(*request.deadline),
                            "be later than now, " + format_time_millis(now)}});
  }
  if (request.within && *request.within <= Duration(0)) {
    return invalid_fields({{"deadline", format_duration(*request.within), "be above 0s"}});
  }
  if (request.callback_url.empty()) return {};
  const auto url = net::parse_url(request.callback_url);
  if (url && (url->scheme == "http" || url->scheme == "https")) return {};
  return invalid_fields(
      {{"callback.url", shorten(request.callback_url, 64), "be an http or https URL"}});
}

struct Submitted {
  AgentId agent;
  std::string id;
  std::optional<ReplayKey> replay;
};
using SubmitDone = std::function<void(Result<std::string>)>;

ItemWrite replay_item(const Submitted& job, Time now) {
  ReplayRow row{.fingerprint = job.replay->fingerprint};
  row.answer = {{"id", job.id}};
  return {.kind = ItemKind::kReplay,
          .key = job.replay->key,
          .value = encode(row),
          .number = 0,
          .due = Due{Due::Class::kExpiry, now + kRemembered},
          .condition = {.must_be_absent = true}};
}

// The store has refused it: because there was one under its key before, or in earnest.
void refused(const Services& services, const Submitted& job, const Error& why,
             const SubmitDone& done) {
  if (why.reason != "PreconditionFailed" || !job.replay) return done(why);
  find_agent(services, job.agent, [&services, job, why, done](auto found) {
    if (!found) return done(found.error());
    services.scheduler.post([&services, job, why, done, agent = (*found)->key()] {
      auto item = services.reader.get_item(agent, ItemKind::kReplay, job.replay->key);
      if (!item) return done(item.error());
      if (!*item) return done(why);
      auto row = decode_replay((*item)->value);
      if (!row) return done(row.error());
      if (row->fingerprint == job.replay->fingerprint) return done(row->answer.value("id", ""));
      done(make_error(Code::kConflict, "IdempotencyKeyReused",
                      "the Idempotency-Key must be used for one request only but another one with "
                      "it was answered before"));
    });
  });
}

JobRow row_of(JobRequest& request, const std::string& id, Time now) {
  JobRow job;
  job.id = job.envelope_id = id;
  job.created = now;
  job.deadline = request.within ? now + *request.within : request.deadline;
  if (request.ttl) job.ttl = *request.ttl;
  job.callback_url = std::move(request.callback_url);
  job.callback_secret = std::move(request.callback_secret);
  return job;
}

// Ends a job that may be anywhere: in the queue, at the handler, between two ticks, or waiting for
// people. Tries until the row says that it is over.
class Cancel : public std::enable_shared_from_this<Cancel> {
 public:
  Cancel(const Services& services, AgentId agent, std::string id, Error why, JobDone done)
      : services_(services),
        agent_(std::move(agent)),
        id_(std::move(id)),
        why_(std::move(why)),
        done_(std::move(done)) {}

  void start() {
    find_agent(services_, agent_, [self = shared_from_this()](auto found) {
      if (!found) return self->done_(found.error());
      self->services_.scheduler.post([self, actor = *found] { self->look(actor); });
    });
  }

 private:
  void look(const std::shared_ptr<Actor>& actor) {
    auto job = read_job(services_.reader, actor->key(), id_);
    if (!job) return done_(job.error());
    if (!*job) return done_(no_such_job(id_));
    if (is_finished((*job)->status)) {
      const bool is_ours = (*job)->status == JobRow::Status::kCancelled ||
                           ((*job)->error && (*job)->error->reason == why_.reason);
      return end(is_ours ? Result<JobRow>(std::move(**job)) : too_late(**job));
    }
    if (++tries_ > kCancelTries) {
      return done_(make_error(Code::kUnavailable,
                              "job " + id_ + " could not be ended now: try again later"));
    }
    if (auto taken = take_up(*actor, **job); !taken) return done_(taken.error());
    actor->cancel((*job)->envelope_id, why_,
                  [self = shared_from_this()](const Result<TickReport>& end) {
                    if (!end && end.error().reason == self->why_.reason) return self->start();
                    self->services_.scheduler.at(self->services_.clock.monotonic() + kCancelPause,
                                                 [self] { self->start(); });
                  });
  }

  // Nobody needs to decide any more.
  void end(Result<JobRow> job) {
    if (approval_.empty()) return done_(std::move(job));
    services_.host.append(
        agent_, {{.kind = ItemKind::kApproval, .key = approval_}},
        [done = done_, job = std::move(job)](const Result<Committed>&) { done(job); });
  }

  // What waits for people, or between two ticks, is on disk only.
  Result<void> take_up(Actor& actor, const JobRow& job) {
    if (actor.phase(job.envelope_id) != Phase::kNone || job.inbox.empty()) return {};
    auto item = services_.reader.get_item(actor.key(), ItemKind::kInbox, job.inbox);
    if (!item) return item.error();
    if (!*item) return {};
    auto row = decode_inbox((*item)->value);
    if (!row) return row.error();
    if (!row->approval.empty()) approval_ = row->approval;
    actor.resume(job.inbox, std::move(*row));
    return {};
  }

  const Services& services_;
  const AgentId agent_;
  const std::string id_;
  const Error why_;
  const JobDone done_;
  int tries_ = 0;
  std::string approval_;  // that it waited for
};

Result<JobPage> read_page(Reader& reader, const Actor& actor,
                          const std::optional<JobRow::Status>& status, std::string after,
                          int limit) {
  JobPage page;
  for (;;) {
    auto rows = reader.list_items(actor.key(), ItemKind::kJob, "", after, limit, Values::kInclude);
    if (!rows) return rows.error();
    for (const Item& item : rows->items) {
      auto job = decode_job(item.value);
      if (!job) return job.error();
      show_running(actor, *job);
      after = item.key;
      if (status && job->status != *status) continue;
      page.items.push_back(std::move(*job));
      if (page.items.size() < static_cast<std::size_t>(limit)) continue;
      if (rows->next || &item != &rows->items.back()) page.next = after;
      return page;
    }
    if (!rows->next) return page;
  }
}

Result<std::optional<JobRow::Status>> status_of(std::string_view text) {
  if (text.empty()) return std::optional<JobRow::Status>();
  using Status = JobRow::Status;
  for (const Status status : {Status::kQueued, Status::kRunning, Status::kSucceeded,
                              Status::kFailed, Status::kCancelled}) {
    if (status_name(status) == text) return std::optional(status);
  }
  return invalid_fields(
      {{"query.status", shorten(text, 64), "be Queued, Running, Succeeded, Failed or Cancelled"}});
}

}  // namespace

void submit_job(const Services& services, JobRequest request, SubmitDone done) {
  const Time now = services.clock.now();
  if (auto good = check_intake(request.intake, now); !good) return done(good.error());
  if (auto good = check(request, now); !good) return done(good.error());
  Submitted job{request.intake.agent, services.ids.uuid(now), std::nullopt};
  if (!request.intake.idempotency_key.empty()) job.replay = replay_key(request.intake);
  Dispatch dispatch{.agent = job.agent, .bytes = request.intake.body.size()};
  dispatch.job = row_of(request, job.id, now);
  if (job.replay) dispatch.items.push_back(replay_item(job, now));
  dispatch.trigger.type = TriggerType::kJob;
  dispatch.trigger.envelope = {.id = job.id,
                               .source = std::move(request.intake.source),
                               .sender = std::move(request.intake.sender),
                               .time = now,
                               .traceparent = std::move(request.intake.traceparent),
                               .payload = {.kind = Payload::Kind::kJson,
                                           .json = std::move(request.input),
                                           .content_type = "application/json"}};
  find_agent(services, job.agent,
             [&services, job, dispatch = std::move(dispatch),
              done = std::move(done)](Result<std::shared_ptr<Actor>> found) mutable {
               if (!found) return done(found.error());
               services.host.dispatch(std::move(dispatch),
                                      [&services, job, done](Result<void> taken) {
                                        if (taken) return done(job.id);
                                        refused(services, job, taken.error(), done);
                                      });
             });
}

void get_job(const Services& services, const AgentId& agent, const std::string& id, JobDone done) {
  find_agent(services, agent, [&services, id, done = std::move(done)](auto found) {
    if (!found) return done(found.error());
    services.scheduler.post([&services, id, done, actor = *found] {
      auto job = read_job(services.reader, actor->key(), id);
      if (!job) return done(job.error());
      if (!*job) return done(no_such_job(id));
      show_running(*actor, **job);
      done(std::move(**job));
    });
  });
}

void list_jobs(const Services& services, const AgentId& agent, std::string_view status,
               const std::string& cursor, int limit, std::function<void(Result<JobPage>)> done) {
  auto wanted = status_of(status);
  if (!wanted) return done(wanted.error());
  find_agent(services, agent,
             [&services, wanted = *wanted, cursor, limit, done = std::move(done)](auto found) {
               if (!found) return done(found.error());
               services.scheduler.post([&services, wanted, cursor, limit, done, actor = *found] {
                 done(read_page(services.reader, *actor, wanted, cursor, limit));
               });
             });
}

void cancel_job(const Services& services, const AgentId& agent, const std::string& id,
                JobDone done) {
  Error why = make_error(Code::kConflict, "Cancelled", "job " + id + " was cancelled");
  std::make_shared<Cancel>(services, agent, id, std::move(why), std::move(done))->start();
}

void expire_job(const Services& services, const DueRow& row,
                const std::function<void(bool again)>& done) {
  services.host.find(row.agent, [&services, row, done](Result<std::shared_ptr<Actor>> found) {
    if (!found) return done(found.error().code != Code::kNotFound);
    services.scheduler.post([&services, row, done, actor = *found] {
      const auto item = services.reader.get_item(row.agent, ItemKind::kJob, row.key);
      if (!item) return done(true);
      if (!*item || !(*item)->due || (*item)->due->what != Due::Class::kWork ||
          (*item)->due->at > row.at) {
        return done(false);
      }
      Error why = make_error(Code::kTimeout, "JobDeadline",
                             "job " + row.key + " must be done by its deadline, " +
                                 format_time_millis((*item)->due->at) + ", and was not");
      std::make_shared<Cancel>(services, actor->id(), row.key, std::move(why),
                               [done](const Result<JobRow>& end) {
                                 done(!end && end.error().code == Code::kUnavailable);
                               })
          ->start();
    });
  });
}

}  // namespace oa::runtime
