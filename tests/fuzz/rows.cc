// The rows of an agent's database, which an older, a newer or another program may have written: a
// row that was read is the same when it is written and read.
#include "runtime-pod/agent/rows.h"

#include "tests/fuzz/fuzz.h"

using namespace oa;
using namespace oa::runtime;

namespace {

template <typename Decode>
void check(std::string_view text, Decode decode) {
  const auto row = decode(text);
  if (!row) {
    fuzz::require(row.error().reason == "Corrupt", "call a row that cannot be read corrupt");
    return;
  }
  const std::string written = encode(*row);
  const auto again = decode(written);
  fuzz::require(again.ok(), "read the rows that it writes");
  fuzz::require(encode(*again) == written, "read the same as it writes");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check(text, decode_inbox);
  check(text, decode_envelope);
  check(text, decode_replay);
  check(text, decode_step);
  check(text, decode_outbox);
  check(text, decode_effect);
  check(text, decode_alarm);
  check(text, decode_schedule);
  check(text, decode_job);
  check(text, decode_dead_letter);
  check(text, decode_approval);
  check(text, decode_socket);
  check(text, decode_effect_request);
  if (const auto job = decode_job(text)) fuzz::require(!job_document(*job).empty(), "show a job");
  if (const auto json = parse_json(text)) {
    const Error error = error_from(*json);
    fuzz::require(dump(to_json(error_from(to_json(error)))) == dump(to_json(error)),
                  "read the errors that it writes");
  }
  return 0;
}
