// What handlers in other processes answer, in full and by the context API: what was taken can be
// committed, and its rows can be read.
#include "runtime-pod/agent/rows.h"
#include "runtime-pod/agent/tick.h"
#include "runtime-pod/handlers/protocol.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;
using namespace oa::runtime;

namespace {

const Time kNow(std::chrono::seconds(1'800'000'000));

// Whether the text of an item is one that its kind's reader takes.
bool is_readable(const ItemWrite& item) {
  if (!item.value) return true;
  if (item.kind == ItemKind::kAlarm) return decode_alarm(*item.value).ok();
  if (item.kind == ItemKind::kOutbox) return decode_outbox(*item.value).ok();
  return true;
}

void check_writes(TickOutcome outcome) {
  const auto set = make_write_set(outcome.state, std::move(outcome.writes),
                                  {{"default", "fuzz"}, "", kNow}, "t-1");
  if (!fuzz::accepted(set)) return;
  fuzz::require(std::all_of(set->items.begin(), set->items.end(), is_readable),
                "write rows that it reads");
  if (set->state) fuzz::require(parse_json(*set->state).ok(), "write a state that it reads");
  const Reply reply = encode_reply(std::move(outcome.reply));
  fuzz::require(reply.is_raw || Json::accept(reply.body), "reply with JSON");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  for (const int status : {200, 400, 503}) {
    TickOutcome outcome = read_response(status, text, kNow);
    if (outcome.status == TickOutcome::Status::kDone) {
      check_writes(std::move(outcome));
    } else {
      fuzz::require(!outcome.error.detail.empty(), "say why a tick has failed");
    }
  }
  if (const auto json = parse_json(text)) {
    if (const auto alarm = read_alarm(*json, kNow); fuzz::accepted(alarm)) {
      fuzz::require(alarm->at >= Time(), "set alarms that have a time");
    }
    fuzz::accepted(read_send(*json));
    fuzz::accepted(read_effect(*json));
    fuzz::accepted(read_approval(*json));
    fuzz::accepted(read_usage(*json));
    fuzz::accepted(read_heartbeat(*json));
  }
  return 0;
}
