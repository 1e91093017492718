// Jobs as rows: how they end, and who is told.
//
// Thread-safety: pure functions on values.
#pragma once

#include <optional>

#include "core/clock.h"
#include "core/error.h"
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/storage/records.h"

namespace oa::runtime {

bool is_finished(JobRow::Status status);

// An error whose reason is Cancelled makes it cancelled, another one failed.
void finish_job(JobRow& job, const std::optional<Error>& error, const Reply& output, Time now);

// Work at its deadline while it is not finished; taken away after its time to live when it is.
ItemWrite job_item(const JobRow& job);

// POSTs the finished job to its callback URL; the same id every time.
OutboxRow callback_row(const JobRow& job, const WriteSource& source);

}  // namespace oa::runtime
