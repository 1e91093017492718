#include "runtime-pod/agent/rows.h"

#include <random>

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

using std::chrono::seconds;

const Time kTime(seconds(1'800'000'000) + std::chrono::microseconds(7));
const std::string kBytes("\xff\x00\x80 not text", 12);

Trigger some_trigger(Payload payload) {
  return {TriggerType::kMessage,
          {"e-1", "http", "svc/\"a\"\n", 12, kTime, kTime + seconds(5), "00-aa-bb-01",
           std::move(payload)}};
}

Payload json_payload(Json json) {
  return {Payload::Kind::kJson, std::move(json), "", "application/json"};
}

Error some_error() {
  return {Code::kUnavailable, "NotYet", "try \xc3\xa9 \\ again", true, {{"spec.x", "1", "be 2"}}};
}

TickReport some_report() {
  return {42,   "e-1",        std::chrono::microseconds(1500),
          4096, {1, 2, 3, 4}, {false, "\"noted: x\"", "application/json"},
          77,   true};
}

EffectRequest some_effect() {
  return {"charge-17", "PUT",      "https://a.example/x", {{"X-A", "1"}, {"X-A", "2"}},
          kBytes,      seconds(90)};
}

// Whether the second encoding says the same as the first: two rows are the same if their texts are.
template <typename Row, typename Decode>
void expect_round_trip(const Row& row, Decode decode) {
  const std::string text = encode(row);
  ASSERT_TRUE(Json::accept(text)) << text;
  const auto again = decode(text);
  ASSERT_TRUE(again) << text << ": " << to_string(again.error());
  EXPECT_EQ(encode(*again), text);
}

TEST(Rows, keys_of_ordinals_sort_as_their_numbers) {
  EXPECT_EQ(ordinal_key(0), "0000000000000000");
  EXPECT_EQ(ordinal_key(0x1a2b), "0000000000001a2b");
  EXPECT_LT(ordinal_key(9), ordinal_key(10));
  EXPECT_EQ(ordinal_key(std::numeric_limits<std::int64_t>::max()), "7fffffffffffffff");
}

TEST(Rows, no_key_of_an_envelope_is_among_those_of_another) {
  EXPECT_TRUE(step_key("e", "fetch", 1).starts_with(step_prefix("e")));
  EXPECT_FALSE(step_key("e/fetch", "x", 1).starts_with(step_prefix("e")));
  EXPECT_NE(step_key("e", "a/b", 1), step_key("e/a", "b", 1));
  EXPECT_NE(step_key("e", "a%2Fb", 1), step_key("e", "a/b", 1));
  EXPECT_TRUE(compensation_key("e", 2).starts_with(compensation_prefix("e")));
  EXPECT_LT(compensation_key("e", 2), compensation_key("e", 16));
}

TEST(InboxRow, keeps_every_kind_of_payload) {
  for (const Payload& payload :
       {json_payload({{"a", {1, 2.5, nullptr}}}), json_payload(nullptr),
        Payload{Payload::Kind::kText, {}, "text \"\\\x01\t\xf0\x9f\x98\x80", "text/plain"},
        Payload{Payload::Kind::kText, {}, "", ""},
        Payload{Payload::Kind::kBytes, {}, kBytes, "image/png"},
        Payload{Payload::Kind::kBytes, {}, "", ""}}) {
    const InboxRow row{some_trigger(payload), 3, "j-1", "a-1", 9, "hash", "print"};
    const auto read = decode_inbox(encode(row));
    ASSERT_TRUE(read);
    const Envelope& envelope = read->trigger.envelope;
    EXPECT_EQ(read->trigger.type, TriggerType::kMessage);
    EXPECT_EQ(envelope.id, "e-1");
    EXPECT_EQ(envelope.source, "http");
    EXPECT_EQ(envelope.sender, "svc/\"a\"\n");
    EXPECT_EQ(envelope.seq, 12);
    EXPECT_EQ(envelope.time, kTime);
    EXPECT_EQ(envelope.expires_at, kTime + seconds(5));
    EXPECT_EQ(envelope.traceparent, "00-aa-bb-01");
    EXPECT_EQ(envelope.payload.kind, payload.kind);
    EXPECT_EQ(envelope.payload.json, payload.json);
    EXPECT_EQ(envelope.payload.data, payload.data);
    EXPECT_EQ(envelope.payload.content_type, payload.content_type);
    EXPECT_EQ(read->attempt, 3);
    EXPECT_EQ(read->job, "j-1");
    EXPECT_EQ(read->approval, "a-1");
    EXPECT_EQ(read->ticks, 9);
    EXPECT_EQ(read->replay, "hash");
    EXPECT_EQ(read->fingerprint, "print");
  }
}

TEST(InboxRow, keeps_a_payload_as_deep_as_may_come_in) {
  std::string text;
  for (std::size_t i = 0; i < kMaxJsonDepth; ++i) text += '[';
  for (std::size_t i = 0; i < kMaxJsonDepth; ++i) text += ']';
  const InboxRow row{some_trigger(json_payload(*parse_json(text))), 1, "", "", 0};
  const auto read = decode_inbox(encode(row));
  ASSERT_TRUE(read);
  EXPECT_EQ(dump(read->trigger.envelope.payload.json), text);
}

TEST(EnvelopeRow, keeps_its_report_and_its_error) {
  EnvelopeRow row{EnvelopeRow::Status::kSucceeded, kTime, kTime, some_report(), {}, "", "i"};
  auto read = decode_envelope(encode(row));
  ASSERT_TRUE(read);
  ASSERT_TRUE(read->report);
  EXPECT_EQ(read->report->tick, 42);
  EXPECT_EQ(read->report->envelope_id, "e-1");
  EXPECT_EQ(read->report->duration, std::chrono::microseconds(1500));
  EXPECT_EQ(read->report->storage_bytes, 4096);
  EXPECT_EQ(read->report->usage.iterations, 4);
  EXPECT_EQ(read->report->reply, some_report().reply);
  EXPECT_EQ(read->report->version, 77);
  EXPECT_TRUE(read->report->replaced);
  EXPECT_FALSE(read->error);
  EXPECT_EQ(read->finished, kTime);
  EXPECT_EQ(read->inbox, "i");

  row = {EnvelopeRow::Status::kDeadLettered, kTime, {}, {}, some_error(), "d", ""};
  read = decode_envelope(encode(row));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->status, EnvelopeRow::Status::kDeadLettered);
  EXPECT_EQ(read->error, some_error());
  EXPECT_FALSE(read->finished);
  EXPECT_FALSE(read->report);
  EXPECT_EQ(read->dead_letter, "d");
}

TEST(EnvelopeRow, keeps_a_reply_of_bytes) {
  EnvelopeRow row;
  row.report = some_report();
  row.report->reply = {true, kBytes, "image/png"};
  const auto read = decode_envelope(encode(row));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->report->reply, row.report->reply);
}

TEST(Rows, read_as_they_were_written_with_everything_set) {
  expect_round_trip(ReplayRow{"f", some_report(), some_error(), {{"id", 1}}, "e-1"}, decode_replay);
  expect_round_trip(StepRow{"h", "r", kBytes}, decode_step);
  expect_round_trip(
      OutboxRow{OutboxRow::Kind::kCallback, "j", "https://a:443", "default/b", some_effect(),
                "default/a", "{}", "s", "00-a", kTime, 3, some_error()},
      decode_outbox);
  expect_round_trip(EffectRow{"0a", {false, 503, kBytes, some_error()}, 4, kTime}, decode_effect);
  expect_round_trip(AlarmRow{"n", kTime, {{"x", 1}}, "00-a"}, decode_alarm);
  expect_round_trip(ScheduleRow{kTime, 1, 2, 3, "d"}, decode_schedule);
  expect_round_trip(JobRow{"j",
                           JobRow::Status::kCancelled,
                           {{"done", 1}},
                           some_report().reply,
                           some_error(),
                           kTime,
                           kTime,
                           kTime,
                           kTime,
                           kTime,
                           5,
                           seconds(60),
                           "u",
                           "s",
                           "a",
                           "i",
                           "e"},
                    decode_job);
  expect_round_trip(
      DeadLetterRow{some_trigger(json_payload(1)), "Overflow", some_error(), 3, kTime, kTime},
      decode_dead_letter);
  expect_round_trip(ApprovalRow{"a", "e", "n", "sure?", kTime, kTime, Decision::kDenied, "no", "p"},
                    decode_approval);
  expect_round_trip(SocketRow{{"a", "b\""}, {{"x", 1}}, kTime, "s"}, decode_socket);
  expect_round_trip(some_effect(), decode_effect_request);
}

TEST(Rows, keep_each_member_of_those_with_many) {
  const auto effect = decode_effect_request(encode(some_effect()));
  ASSERT_TRUE(effect);
  EXPECT_EQ(effect->key, "charge-17");
  EXPECT_EQ(effect->method, "PUT");
  EXPECT_EQ(effect->url, "https://a.example/x");
  EXPECT_EQ(effect->headers, some_effect().headers);
  EXPECT_EQ(effect->body, kBytes);
  EXPECT_EQ(effect->max_age, seconds(90));
  const auto step = decode_step(encode(StepRow{"h", "r", kBytes}));
  ASSERT_TRUE(step);
  EXPECT_EQ(step->value, kBytes);
  JobRow written;
  written.expires = Time{};
  written.ttl = seconds(0);
  const auto job = decode_job(encode(written));
  ASSERT_TRUE(job);
  EXPECT_EQ(job->expires, Time{});
  EXPECT_FALSE(job->finished);
  EXPECT_EQ(job->ttl, seconds(0));
}

// What an older program wrote, which knew less, reads as the defaults; null is as if absent.
TEST(Rows, read_missing_members_as_their_defaults) {
  ASSERT_TRUE(decode_inbox("{}"));
  EXPECT_EQ(decode_inbox(R"({"attempt":null})")->attempt, 1);
  EXPECT_EQ(decode_job("{}")->ttl, std::chrono::hours(24));
  EXPECT_EQ(decode_effect_request("{}")->method, "POST");
  EXPECT_EQ(decode_effect_request("{}")->max_age, std::chrono::hours(1));
  EXPECT_FALSE(decode_envelope("{}")->report);
  EXPECT_TRUE(decode_replay("{}")->answer.is_null());
  expect_round_trip(InboxRow{}, decode_inbox);
  expect_round_trip(EnvelopeRow{}, decode_envelope);
  expect_round_trip(ReplayRow{}, decode_replay);
  expect_round_trip(StepRow{}, decode_step);
  expect_round_trip(OutboxRow{}, decode_outbox);
  expect_round_trip(EffectRow{}, decode_effect);
  expect_round_trip(AlarmRow{}, decode_alarm);
  expect_round_trip(ScheduleRow{}, decode_schedule);
  expect_round_trip(JobRow{}, decode_job);
  expect_round_trip(DeadLetterRow{}, decode_dead_letter);
  expect_round_trip(ApprovalRow{}, decode_approval);
  expect_round_trip(SocketRow{}, decode_socket);
}

TEST(Rows, keep_times_to_the_last_one) {
  const std::string text = R"({"finished":9223372036854775807,"status":"Failed"})";
  const auto row = decode_envelope(text);
  ASSERT_TRUE(row);
  EXPECT_EQ(decode_envelope(encode(*row))->finished, Time(Duration::max()));
}

TEST(Rows, pass_over_members_of_a_newer_program) {
  EXPECT_EQ(decode_alarm(R"({"name":"n","colour":{"deep":[1]}})")->name, "n");
}

// The message of the refusal, empty if there is none.
template <typename T>
std::string refusal(const Result<T>& read) {
  if (read) return "";
  EXPECT_EQ(read.error().code, Code::kInternal);
  EXPECT_EQ(read.error().reason, "Corrupt");
  return read.error().detail;
}

TEST(Rows, refuse_garbage_and_name_the_row_and_the_field) {
  for (const char* text : {"", "null", "[]", "\"x\"", "{\"a\":", "{}x", "\xff", "1e999"}) {
    EXPECT_EQ(refusal(decode_inbox(text)), "the inbox row must be a JSON object but is not")
        << text;
  }
  EXPECT_EQ(
      refusal(decode_inbox(R"({"trigger":{"envelope":{"time":"now"}}})")),
      "the inbox row has the field \"trigger.envelope.time\", which must be a whole number of "
      "64 bits but is not");
  EXPECT_EQ(
      refusal(decode_job(R"({"status":"Lost"})")),
      "the job row has the field \"status\", which must be a name that this program knows but "
      "is not");
  EXPECT_NE(refusal(decode_inbox(R"({"attempt":4294967296})")), "");
  EXPECT_NE(refusal(decode_alarm(R"({"at":18446744073709551615})")), "");
  EXPECT_NE(refusal(decode_alarm(R"({"at":1.5})")), "");
  EXPECT_NE(refusal(decode_step(R"({"valueBase64":"?"})")), "");
  EXPECT_NE(refusal(decode_socket(R"({"tags":"a"})")), "");
  EXPECT_NE(refusal(decode_socket(R"({"tags":[1]})")), "");
  EXPECT_NE(refusal(decode_outbox(R"({"effect":{"headers":[["a","b"]]}})")), "");
  EXPECT_NE(refusal(decode_envelope(R"({"report":[]})")), "");
  EXPECT_NE(refusal(decode_effect(R"({"outcome":{"delivered":1}})")), "");
}

TEST(Rows, keep_no_header_that_opens_doors) {
  EffectRequest effect = some_effect();
  effect.headers = {{"authorization", "Bearer x"}, {"Cookie", "y"}, {"X-B", "1"}};
  const auto read = decode_effect_request(encode(effect));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->headers, (decltype(effect.headers){{"X-B", "1"}}));
}

TEST(Rows, replace_what_is_not_utf8_in_text) {
  const auto read = decode_alarm(encode(AlarmRow{"a\xff", kTime, {}, ""}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, "a\xef\xbf\xbd");
}

TEST(Rows, pieces_have_a_form_of_their_own) {
  EXPECT_EQ(error_from(to_json(some_error())), some_error());
  EXPECT_EQ(error_from("x").reason, "Corrupt");
  const auto trigger = trigger_from(to_json(some_trigger(json_payload(true))));
  ASSERT_TRUE(trigger);
  EXPECT_EQ(trigger->envelope.payload.json, Json(true));
  EXPECT_FALSE(trigger_from(Json::array()));
  EXPECT_FALSE(trigger_from({{"type", 1}}));
}

TEST(JobDocument, shows_what_users_may_see) {
  JobRow row;
  row.id = "j";
  row.status = JobRow::Status::kSucceeded;
  row.output = Reply{false, R"({"b":1,"a":2})", "application/json"};
  row.ticks = 2;
  row.callback_secret = "s";
  EXPECT_EQ(job_document(row).dump(), R"({"id":"j","status":"Succeeded","output":{"b":1,"a":2},)"
                                      R"("createdAt":"1970-01-01T00:00:00.000Z","ticks":2})");
  row.output = Reply{true, kBytes, "image/png"};
  row.error = make_error(Code::kTimeout, "slow");
  row.finished = row.expires = Time(seconds(60));
  const OrderedJson json = job_document(row);
  EXPECT_EQ(json["contentType"], "image/png");
  EXPECT_FALSE(json.contains("output"));
  EXPECT_EQ(json["error"]["code"], "TIMEOUT");
  EXPECT_EQ(json["finishedAt"], "1970-01-01T00:01:00.000Z");
  EXPECT_EQ(json["expiresAt"], "1970-01-01T00:01:00.000Z");
}

// Rows of random bytes, numbers and times.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::int64_t upto(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit + 1));
  }
  bool coin() { return upto(1) == 1; }
  std::int64_t number() {
    return static_cast<std::int64_t>(random_() >> upto(63)) * (coin() ? 1 : -1);
  }
  std::string bytes() {
    std::string text;
    for (std::int64_t n = upto(12); n > 0; --n) text += static_cast<char>(upto(coin() ? 255 : 127));
    return text;
  }
  std::string text() {
    std::string text = bytes();
    for (char& c : text) c = static_cast<char>(c & 0x7f);
    return text;
  }
  Time time() { return Time(Duration(number())); }

 private:
  std::mt19937_64 random_;
};

TEST(Rows, random_ones_read_as_they_were_written) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Dice dice(seed);
  for (int i = 0; i < 2000; ++i) {
    InboxRow inbox;
    inbox.trigger.type = static_cast<TriggerType>(dice.upto(7));
    Envelope& envelope = inbox.trigger.envelope;
    envelope = {dice.text(), dice.text(), dice.text(), dice.number(),
                dice.time(), {},          dice.text(), {}};
    if (dice.coin()) envelope.expires_at = dice.time();
    envelope.payload.kind = static_cast<Payload::Kind>(dice.upto(2));
    if (envelope.payload.kind == Payload::Kind::kJson) envelope.payload.json = dice.text();
    if (envelope.payload.kind == Payload::Kind::kText) envelope.payload.data = dice.text();
    if (envelope.payload.kind == Payload::Kind::kBytes) envelope.payload.data = dice.bytes();
    const auto read = decode_inbox(encode(inbox));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->trigger.type, inbox.trigger.type);
    EXPECT_EQ(read->trigger.envelope.id, envelope.id);
    EXPECT_EQ(read->trigger.envelope.seq, envelope.seq);
    EXPECT_EQ(read->trigger.envelope.time, envelope.time);
    EXPECT_EQ(read->trigger.envelope.expires_at, envelope.expires_at);
    EXPECT_EQ(read->trigger.envelope.payload.kind, envelope.payload.kind);
    EXPECT_EQ(read->trigger.envelope.payload.json, envelope.payload.json);
    EXPECT_EQ(read->trigger.envelope.payload.data, envelope.payload.data);
    const StepRow step{dice.text(), dice.text(), dice.bytes()};
    const auto step_read = decode_step(encode(step));
    ASSERT_TRUE(step_read);
    EXPECT_EQ(step_read->value, step.value);
    EXPECT_EQ(step_read->input_hash, step.input_hash);
    // Whatever is cut off or bent: a value or an error, and nothing else.
    std::string bent = encode(inbox);
    bent[static_cast<std::size_t>(dice.upto(static_cast<std::int64_t>(bent.size()) - 1))] =
        static_cast<char>(dice.upto(255));
    (void)decode_inbox(bent);
    (void)decode_inbox(std::string_view(bent).substr(0, bent.size() / 2));
  }
}

}  // namespace
}  // namespace oa::runtime
