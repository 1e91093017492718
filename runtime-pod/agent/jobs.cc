#include "runtime-pod/agent/jobs.h"

namespace oa::runtime {

bool is_finished(JobRow::Status status) {
  return status != JobRow::Status::kQueued && status != JobRow::Status::kRunning;
}

void finish_job(JobRow& job, const std::optional<Error>& error, const Reply& output, Time now) {
  if (!error) {
    job.status = JobRow::Status::kSucceeded;
    job.output = output;
  } else {
    job.status =
        error->reason == "Cancelled" ? JobRow::Status::kCancelled : JobRow::Status::kFailed;
    job.error = error;
  }
  job.finished = now;
  job.expires = now + job.ttl;
  job.inbox.clear();
}

ItemWrite job_item(const JobRow& job) {
  ItemWrite item{.kind = ItemKind::kJob, .key = job.id, .value = encode(job), .number = 0};
  if (job.expires) {
    item.due = Due{Due::Class::kExpiry, *job.expires};
  } else if (job.deadline) {
    item.due = Due{Due::Class::kWork, *job.deadline};
  }
  return item;
}

OutboxRow callback_row(const JobRow& job, const WriteSource& source) {
  EffectRequest request;
  request.key = job.id;
  request.url = job.callback_url;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = job_document(job).dump();
  OutboxRow row = outbox_row(request, source);
  row.kind = OutboxRow::Kind::kCallback;
  row.secret = job.callback_secret;
  return row;
}

}  // namespace oa::runtime
