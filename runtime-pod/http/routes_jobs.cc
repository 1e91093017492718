#include "core/text.h"
#include "runtime-pod/http/schemas.h"
#include "runtime-pod/http/tables.h"
#include "runtime-pod/http/verbs.h"

namespace oa::runtime {
namespace {

using namespace openapi;
using schema::Kind;

constexpr std::size_t kMaxInputBytes = 8 * 1024 * 1024;

bool is_time_or_duration(const Json& json) {
  const auto& text = json.get_ref<const std::string&>();
  return parse_duration(text).ok() || parse_time(text).ok();
}

schema::Field callback_field() {
  return {.name = "callback",
          .kind = Kind::kObject,
          .description = "Where the finished job is posted to, until that has worked.",
          .fields = {{.name = "url",
                      .description = "An http or https URL.",
                      .required = true,
                      .max_length = 2048},
                     {.name = "secretRef",
                      .kind = Kind::kObject,
                      .description = "The key of a Secret that signs it; absent: unsigned.",
                      .fields = {{.name = "name",
                                  .description = "The Secret's name.",
                                  .required = true,
                                  .max_length = 253,
                                  .pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
                                  .pattern_must = "be a name such as my-secret"},
                                 {.name = "key",
                                  .description = "The key in it.",
                                  .required = true,
                                  .max_length = 253,
                                  .pattern = "^[A-Za-z0-9_-][-._A-Za-z0-9]*$",
                                  .pattern_must = "be a key such as token"}}}}};
}

OrderedJson job() {
  return object(
      {{"id", text()},
       {"status",
        {{"type", "string"}, {"enum", {"Queued", "Running", "Succeeded", "Failed", "Cancelled"}}}},
       {"progress", reference("")},
       {"output", reference("")},
       {"outputBase64", text()},
       {"contentType", text()},
       {"error", reference("EnvelopeError")},
       {"createdAt", time()},
       {"startedAt", time()},
       {"finishedAt", time()},
       {"ticks", integer()},
       {"expiresAt", time()}});
}

}  // namespace

const schema::Field& job_table() {
  static const schema::Field table = {
      .kind = Kind::kObject,
      .description = "A job to run.",
      .fields = {{.name = "input",
                  .kind = Kind::kAny,
                  .description = "What the agent is to work on.",
                  .required = true,
                  .max_length = kMaxInputBytes},
                 callback_field(),
                 {.name = "ttl",
                  .kind = Kind::kDuration,
                  .description =
                      "How long the finished job can be asked about: 1s to 8760h, 24h if absent."},
                 {.name = "deadline",
                  .description = "When it fails unless it is done: RFC 3339, or a duration from "
                                 "now; absent: never.",
                  .max_length = 64,
                  .rules = {{"", "be a time such as 2026-11-21T08:00:00Z or a duration such as 10m",
                             is_time_or_duration}}},
                 {.name = "isolation",
                  .description = "Shared: it takes its turn among all that the agent does.",
                  .enumeration = {"Shared"}}}};
  return table;
}

RouteTable job_routes() {
  return {{{post_job,
            Scope::kAgent,
            "POST",
            "/jobs",
            "Run the agent without waiting for it.",
            Body::kAny,
            {kIdempotencyKeyHeader, kSenderHeader, kTraceparentHeader},
            {{202, "The job is durable; Location says where it is.", kJsonType, "JobAccepted"}},
            "JobRequest"},
           {get_jobs,
            Scope::kAgent,
            "GET",
            "/jobs",
            "List jobs, oldest first.",
            Body::kNone,
            {{"status", "query", "string", "Only jobs of this status."}, kLimit, kCursor},
            {{200, "Jobs.", kJsonType, "JobList"}}},
           {get_job_by_id,
            Scope::kAgent,
            "GET",
            "/jobs/{id}",
            "Look at a job.",
            Body::kNone,
            {},
            {{200, "The job.", kJsonType, "Job"}}},
           {delete_job,
            Scope::kAgent,
            "DELETE",
            "/jobs/{id}",
            "Cancel a job.",
            Body::kNone,
            {},
            {{200, "The job, which is cancelled.", kJsonType, "Job"}}},
           {get_job_events,
            Scope::kAgent,
            "GET",
            "/jobs/{id}/events",
            "Follow a job until it is over.",
            Body::kNone,
            {{"Last-Event-ID", "header", "string", "The newest event that was seen."}},
            {{200, "Events: job, and done at the end.", "text/event-stream", ""}}}},
          {{"JobRequest", schema::to_openapi(job_table())},
           {"JobAccepted", object({{"id", text()}})},
           {"Job", job()},
           {"JobList", list_of(reference("Job"))}}};
}

}  // namespace oa::runtime
