#include "runtime-pod/handlers/notebook.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/text.h"
#include "runtime-pod/handlers/notebook_words.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kRemind = "remind me in ";
constexpr std::size_t kBigChunk = 1024 * 1024;
constexpr std::int64_t kBigLimit = 64LL * 1024 * 1024;

Error invalid(std::string detail) { return make_error(Code::kInvalidRequest, std::move(detail)); }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// What follows the command word, or nothing if `text` is not that command.
std::optional<std::string_view> argument_of(std::string_view text, std::string_view command) {
  if (!text.starts_with(command)) return std::nullopt;
  text.remove_prefix(command.size());
  if (!text.empty() && text.front() != ' ' && text.front() != '\t') return std::nullopt;
  return trimmed(text);
}

// The number after the command word; nothing if there is none, so that "big plans" is a note.
std::optional<std::int64_t> number_of(std::string_view text, std::string_view command) {
  const auto argument = argument_of(text, command);
  if (!argument) return std::nullopt;
  std::int64_t number = 0;
  const char* last = argument->data() + argument->size();
  const auto [end, error] = std::from_chars(argument->data(), last, number);
  if (argument->empty() || end != last) return std::nullopt;
  // More digits than fit are out of range for every command.
  return error == std::errc() ? number : 0;
}

bool is_notebook(const Json& state) {
  if (!state.is_object()) return false;
  const auto notes = state.find("notes");
  const auto ticks = state.find("ticks");
  if (notes == state.end() || !notes->is_array()) return false;
  if (ticks == state.end() || !ticks->is_number_integer()) return false;
  return std::all_of(notes->begin(), notes->end(), [](const Json& note) {
    return note.is_object() && note.contains("text") && note["text"].is_string();
  });
}

Payload text_reply(std::string text) {
  return {.kind = Payload::Kind::kText, .data = std::move(text), .content_type = "text/plain"};
}

Payload json_reply(Json json) {
  return {
      .kind = Payload::Kind::kJson, .json = std::move(json), .content_type = "application/json"};
}

// Each command changes `state` and fills `outcome`, or returns why it cannot.
struct Page {
  const TickInput& input;
  Json state;
  TickOutcome outcome;

  Result<void> remember(std::string_view text) {
    if (text.empty()) return invalid("a note must not be empty");
    state["notes"].push_back({{"text", text}, {"time", format_time_millis(input.now)}});
    outcome.reply = text_reply("noted: " + std::string(text));
    return {};
  }

  Result<void> list() {
    Json texts = Json::array();
    for (const Json& note : state["notes"]) texts.push_back(note["text"]);
    outcome.reply = json_reply(std::move(texts));
    return {};
  }

  Result<void> forget(std::int64_t number) {
    Json& notes = state["notes"];
    if (number < 1 || number > static_cast<std::int64_t>(notes.size())) {
      return invalid("the note to forget must be one of the " + std::to_string(notes.size()) +
                     " notes, counted from 1");
    }
    const auto index = static_cast<std::size_t>(number - 1);
    outcome.reply = text_reply("forgot: " + notes[index]["text"].get<std::string>());
    notes.erase(index);
    return {};
  }

  // "10s: call Ada". Nothing if it is not of that form, and so a note.
  std::optional<Result<void>> remind(std::string_view rest) {
    const std::size_t colon = rest.find(':');
    const std::string_view span = rest.substr(0, colon);
    if (colon == std::string_view::npos || span.find(' ') != std::string_view::npos) return {};
    const auto pause = parse_duration(span);
    if (!pause) return Result<void>(pause.error());
    const std::string_view words = trimmed(rest.substr(colon + 1));
    if (words.empty()) return Result<void>(invalid("a reminder must say of what"));
    outcome.writes.alarms.push_back(AlarmSet{"", input.now + *pause, {{"text", words}}});
    outcome.reply =
        text_reply("will remind in " + format_duration(*pause) + ": " + std::string(words));
    return Result<void>();
  }

  Result<void> count() {
    outcome.reply = json_reply(state["ticks"]);
    return {};
  }

  Result<void> fail() {
    if (input.attempt == 1) {
      outcome = retried_tick(make_error(Code::kRuntimeError, "the notebook was told to fail once"));
    } else {
      outcome.reply = text_reply("succeeded on attempt " + std::to_string(input.attempt));
    }
    return {};
  }

  Result<void> big(std::int64_t number) {
    if (number < 1 || number > kBigLimit) {
      return invalid("the number of bytes must be between 1 and " + std::to_string(kBigLimit));
    }
    auto rest = static_cast<std::size_t>(number);
    for (std::size_t i = 0; rest > 0; ++i) {
      const std::size_t size = std::min(rest, kBigChunk);
      outcome.writes.kv.push_back(
          {"big/" + std::to_string(i), std::string(size, 'x'), "text/plain"});
      rest -= size;
    }
    outcome.reply = text_reply("wrote " + std::to_string(number) + " bytes");
    return {};
  }

  Result<void> obey(std::string_view text) {
    if (const auto argument = argument_of(text, "remember")) return remember(*argument);
    if (const auto number = number_of(text, "forget")) return forget(*number);
    if (const auto number = number_of(text, "big")) return big(*number);
    if (text.starts_with(kRemind)) {
      if (auto done = remind(text.substr(kRemind.size()))) return std::move(*done);
    }
    if (text == "list") return list();
    if (text == "count") return count();
    if (text == "fail") return fail();
    return remember(text);
  }
};

}  // namespace

TickOutcome notebook(const TickInput& input) {
  const auto words = words_of(*input.trigger);
  if (!words) return failed_tick(words.error());
  Page page{input, Json{{"notes", Json::array()}, {"ticks", 0}}, {}};
  if (input.state) {
    if (!is_notebook(*input.state)) {
      return failed_tick(make_error(
          Code::kRuntimeError,
          R"(the agent's state must be {"notes": [{"text", "time"}], "ticks"} to be a notebook's)"));
    }
    page.state = *input.state;
  }
  page.state["ticks"] = page.state["ticks"].get<std::int64_t>() + 1;
  const std::string_view text = trimmed(words->text);
  auto done = words->is_command ? page.obey(text) : page.remember(text);
  if (!done) return failed_tick(done.error());
  if (page.outcome.status == TickOutcome::Status::kDone) {
    page.outcome.state = std::make_shared<const Json>(std::move(page.state));
  }
  return std::move(page.outcome);
}

}  // namespace oa::runtime
