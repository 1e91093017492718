// Jobs: asynchronous runs with an id, by which they are watched and cancelled.
//
// Thread-safety: can be called from any thread; nothing here blocks. Callbacks come once, from any
// thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/agent.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/result.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/storage/records.h"
#include "runtime-pod/verbs/intake.h"
#include "runtime-pod/verbs/services.h"

namespace oa::runtime {

inline constexpr Duration kMinJobTtl = std::chrono::seconds(1);
inline constexpr Duration kMaxJobTtl = std::chrono::hours(24 * 365);

struct JobRequest {
  Intake intake;  // agent, verb, sender, idempotency key; the body tells one request from another
  Json input;
  std::string callback_url;        // empty: none
  std::string callback_secret;     // "NAME/KEY" of the secret that signs it; empty: unsigned
  std::optional<Duration> ttl;     // of the finished job; absent: a day
  std::optional<Duration> within;  // then it is given up; absent: neither
  std::optional<Time> deadline;    // this, or that
};

// With the status as it is now: what a job's row says, and whether its tick runs.
using JobDone = std::function<void(Result<JobRow>)>;

struct JobPage {
  std::vector<JobRow> items;
  std::optional<std::string> next;
};

// `done` with the job's id once it is on disk. A repeat is told by its Idempotency-Key, and gets
// the id of the first.
void submit_job(const Services& services, JobRequest request,
                std::function<void(Result<std::string>)> done);

// NOT_FOUND for a job that there never was, or whose time to live is over.
void get_job(const Services& services, const AgentId& agent, const std::string& id, JobDone done);

// By id, oldest first. `status`: only such; "" for all. INVALID_REQUEST for one that there is not.
void list_jobs(const Services& services, const AgentId& agent, std::string_view status,
               const std::string& cursor, int limit, std::function<void(Result<JobPage>)> done);

// Ends the job; `done` once that is on disk. A job that was cancelled before is shown again;
// CONFLICT, reason TooLate, for one that is over otherwise.
void cancel_job(const Services& services, const AgentId& agent, const std::string& id,
                JobDone done);

// A row of kJob is due: a job that is not finished at its deadline fails with TIMEOUT.
void expire_job(const Services& services, const DueRow& row,
                const std::function<void(bool again)>& done);

}  // namespace oa::runtime
