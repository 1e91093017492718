#include "libs/net/websocket_frames_impl.h"

#include <algorithm>
#include <utility>

#include "core/text.h"
#include "libs/net/websocket.h"

namespace oa::net {
namespace {

constexpr std::size_t kControlBytes = 125;
constexpr std::uint8_t kMasked = 0x80;
constexpr std::uint8_t kReserved = 0x70;

FrameEvent failure(std::uint16_t code, std::string reason) {
  return {FrameEvent::Kind::kFailure, std::move(reason), code};
}

FrameEvent protocol_error(std::string reason) {
  return failure(close_code::kProtocolError, std::move(reason));
}

}  // namespace

std::optional<FrameEvent> FrameReader::next(std::string_view& input) {
  for (;;) {
    if (!in_payload_) {
      const bool has_start = header_read_ >= 2;
      const bool is_whole = take_header(input);
      if (!has_start && header_read_ >= 2) {
        if (auto failed = check_start()) return failed;
      }
      if (!is_whole) {
        if (input.empty()) return std::nullopt;
        continue;
      }
      if (auto failed = start_payload()) return failed;
    }
    take_payload(input);
    if (left_ > 0) return std::nullopt;
    in_payload_ = false;
    header_read_ = 0;
    if (auto event = finish_frame()) return event;
  }
}

std::size_t FrameReader::header_size() const {
  const std::uint8_t length = header_[1] & 0x7f;
  return std::size_t{2} + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

// First the two bytes that say how long the header is, so that they can be checked before the rest
// is read.
bool FrameReader::take_header(std::string_view& input) {
  const std::size_t want = header_read_ < 2 ? 2 : header_size();
  const std::size_t size = std::min(want - header_read_, input.size());
  std::copy_n(input.begin(), size, header_.begin() + static_cast<std::ptrdiff_t>(header_read_));
  header_read_ += size;
  input.remove_prefix(size);
  return header_read_ > 2 && header_read_ == header_size();
}

std::optional<FrameEvent> FrameReader::check_start() const {
  if ((header_[0] & kReserved) != 0) return protocol_error("reserved bits must be zero");
  if ((header_[1] & kMasked) == 0) return protocol_error("a client's frames must be masked");
  switch (opcode()) {
    case Opcode::kContinuation:
      if (!message_type_) return protocol_error("there is no message to continue");
      return std::nullopt;
    case Opcode::kText:
    case Opcode::kBinary:
      if (message_type_) return protocol_error("the message before must be complete");
      return std::nullopt;
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!is_final()) return protocol_error("a control frame must not be fragmented");
      if ((header_[1] & 0x7f) > kControlBytes) {
        return protocol_error("a control frame must have at most 125 bytes");
      }
      return std::nullopt;
  }
  return protocol_error("unknown opcode");
}

std::optional<FrameEvent> FrameReader::start_payload() {
  const std::size_t length_bytes = header_size() - 6;
  left_ = header_[1] & 0x7f;
  if (length_bytes > 0) {
    left_ = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) left_ = left_ << 8 | header_[2 + i];
    const std::uint64_t least = length_bytes == 2 ? 126 : 65536;
    if (left_ < least || left_ >> 63 != 0) return protocol_error("malformed payload length");
  }
  if (is_control()) {
    control_.clear();
  } else {
    if (left_ > message_bytes_ - message_.size()) {
      return failure(close_code::kTooBig,
                     "a message must be at most " + std::to_string(message_bytes_) + " bytes");
    }
    if (!message_type_) message_type_ = opcode();
  }
  in_payload_ = true;
  mask_index_ = 0;
  return std::nullopt;
}

void FrameReader::take_payload(std::string_view& input) {
  std::string& out = is_control() ? control_ : message_;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  const std::uint8_t* mask = header_.data() + header_size() - 4;
  const std::size_t start = out.size();
  out.append(input.substr(0, size));
  for (std::size_t i = 0; i < size; ++i) {
    out[start + i] = static_cast<char>(out[start + i] ^ mask[(mask_index_ + i) % 4]);
  }
  mask_index_ = (mask_index_ + size) % 4;
  left_ -= size;
  input.remove_prefix(size);
}

std::optional<FrameEvent> FrameReader::finish_frame() {
  switch (opcode()) {
    case Opcode::kPing:
      return FrameEvent{FrameEvent::Kind::kPing, std::move(control_), 0};
    case Opcode::kPong:
      return FrameEvent{FrameEvent::Kind::kPong, std::move(control_), 0};
    case Opcode::kClose:
      return finish_close();
    default:
      break;
  }
  if (!is_final()) return std::nullopt;
  const bool is_text = *message_type_ == Opcode::kText;
  message_type_.reset();
  std::string message = std::exchange(message_, {});
  if (!is_text) return FrameEvent{FrameEvent::Kind::kBinary, std::move(message), 0};
  if (!is_utf8(message)) return failure(close_code::kBadText, "a text must be UTF-8");
  return FrameEvent{FrameEvent::Kind::kText, std::move(message), 0};
}

FrameEvent FrameReader::finish_close() {
  if (control_.empty()) return {FrameEvent::Kind::kClose, {}, close_code::kNoCode};
  if (control_.size() == 1) return protocol_error("a close frame's code must have two bytes");
  const auto high = static_cast<std::uint8_t>(control_[0]);
  const auto low = static_cast<std::uint8_t>(control_[1]);
  const auto code = static_cast<std::uint16_t>(high << 8 | low);
  if (!is_close_code(code)) return protocol_error("the close code must be one that may be sent");
  std::string reason = control_.substr(2);
  if (!is_utf8(reason)) return failure(close_code::kBadText, "a close reason must be UTF-8");
  return {FrameEvent::Kind::kClose, std::move(reason), code};
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out.push_back(static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode)));
  const std::uint64_t size = payload.size();
  const int length_bytes = size <= kControlBytes ? 0 : size <= 0xffff ? 2 : 8;
  out.push_back(static_cast<char>(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127));
  for (int i = length_bytes; i-- > 0;) out.push_back(static_cast<char>(size >> (8 * i) & 0xff));
  out.append(payload);
}

void append_close_frame(std::string& out, std::uint16_t code, std::string_view reason) {
  std::string payload;
  if (code != close_code::kNoCode) {
    const std::uint16_t sent = is_close_code(code) ? code : close_code::kInternal;
    payload.push_back(static_cast<char>(sent >> 8));
    payload.push_back(static_cast<char>(sent & 0xff));
    if (is_utf8(reason)) payload += shorten(reason, kControlBytes - 2);
  }
  append_frame(out, Opcode::kClose, payload);
}

bool is_close_code(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace oa::net
