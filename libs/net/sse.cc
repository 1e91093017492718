#include "libs/net/sse.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <utility>

namespace oa::net {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  const std::size_t start = out.size();
  out.append(value).push_back('\n');
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(start), out.end() - 1,
      [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
}

}  // namespace

std::string format_sse(const SseEvent& event) {
  std::string out;
  if (!event.id.empty()) append_line(out, "id", event.id);
  if (!event.event.empty()) append_line(out, "event", event.event);
  std::string_view rest = event.data;
  for (;;) {
    const std::size_t end = rest.find_first_of("\r\n");
    out.append("data: ").append(rest.substr(0, end)).push_back('\n');
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + (rest.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  out.push_back('\n');
  return out;
}

std::string format_sse_comment(std::string_view text) {
  std::string out;
  append_line(out, "", text);
  return out + "\n";
}

std::string format_sse_retry(std::chrono::milliseconds wait) {
  return "retry: " + std::to_string(wait.count()) + "\n\n";
}

Result<void> SseParser::feed(std::string_view bytes, std::vector<SseEvent>& events) {
  while (!bytes.empty()) {
    if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    if (size_ + line_.size() + end > event_bytes_) {
      return make_error(
          Code::kInvalidRequest, "PayloadTooLarge",
          "an event of the stream must be at most " + std::to_string(event_bytes_) + " bytes");
    }
    line_.append(bytes.substr(0, end));
    if (end == bytes.size()) break;
    after_cr_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    take_line(events);
    line_.clear();
  }
  return {};
}

void SseParser::take_line(std::vector<SseEvent>& events) {
  std::string_view line = line_;
  if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
    line.remove_prefix(kByteOrderMark.size());
  }
  if (line.empty()) {
    if (std::exchange(has_data_, false)) {
      data_.pop_back();  // the line end of its last line
      events.push_back({last_event_id_, std::move(event_), std::move(data_)});
    }
    event_.clear();
    data_.clear();
    size_ = 0;
    return;
  }
  size_ += line.size();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return take_field(line, {});
  std::string_view value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  take_field(line.substr(0, colon), value);
}

// A line that begins with a colon has no name: a comment.
void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "data") {
    data_.append(value).push_back('\n');
    has_data_ = true;
  } else if (name == "event") {
    event_ = value;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) last_event_id_ = value;
  } else if (name == "retry") {
    std::uint32_t wait = 0;
    const auto read = std::from_chars(value.data(), value.data() + value.size(), wait);
    if (read.ec == std::errc() && read.ptr == value.data() + value.size()) {
      retry_ = std::chrono::milliseconds(wait);
    }
  }
}

}  // namespace oa::net
